// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c - numbers and sizes, as people write them
 *
 * Beside the path: before anything is served.
 */
#include <errno.h>
#include <stdlib.h>

#include "parse.h"

/* The number that a text begins with, and where it ends; NULL: with none. */
static const char *parse_digits(const char *text, unsigned long long *n)
{
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	/* What strtoull() takes besides: blanks, signs. */
	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	/* Not base 0: to people 010 is ten. */
	*n = strtoull(text, &end, is_hex ? 16 : 10);
	return errno ? NULL : end;
}

bool parse_size(const char *text, uint64_t *bytes)
{
	unsigned long long n;
	const char *end = parse_digits(text, &n);
	int shift = 0;

	if (!end)
		return false;
	switch (*end) {
	case 'K':
	case 'k':
		shift = 10;
		break;
	case 'M':
	case 'm':
		shift = 20;
		break;
	case 'G':
	case 'g':
		shift = 30;
		break;
	case 'T':
	case 't':
		shift = 40;
		break;
	}
	if (end[shift != 0] || n > UINT64_MAX >> shift)
		return false;
	*bytes = (uint64_t)n << shift;
	return true;
}

bool parse_number(const char *text, unsigned long min, unsigned long max,
		  unsigned long *value)
{
	unsigned long long n;
	const char *end = parse_digits(text, &n);

	if (!end || *end || n < min || n > max)
		return false;
	*value = n;
	return true;
}
