// SPDX-License-Identifier: GPL-2.0-only
/*
 * json.c - one valid JSON document on a stream
 *
 * Beside the path.
 */
#include <inttypes.h>
#include <string.h>

#include "json.h"

/*
 * Bytes of the well-formed UTF-8 sequence that p begins with; 0 if there is
 * none: overlong forms, surrogates and what lies above U+10FFFF are not.
 */
static unsigned int json_utf8(const unsigned char *p)
{
	unsigned int nr, i;
	uint32_t code;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		nr = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		nr = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		nr = 4;
	else
		return 0;
	code = p[0] & (0x7f >> nr);
	for (i = 1; i < nr; i++) {
		/* The end of the text is no continuation either. */
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if ((nr == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
	    (nr == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return nr;
}

static void json_text(struct json *j, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned int nr;

	putc('"', j->out);
	for (; *p; p += nr ? nr : 1) {
		nr = json_utf8(p);
		if (!nr)
			fputs("\\ufffd", j->out);
		else if (*p == '"' || *p == '\\')
			fprintf(j->out, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(j->out, "\\u%04x", *p);
		else
			fwrite(p, 1, nr, j->out);
	}
	putc('"', j->out);
}

/* What comes before a value: the comma and the key. */
static void json_begin(struct json *j, const char *key)
{
	uint64_t bit = 1ull << j->depth;

	if (j->filled & bit)
		putc(',', j->out);
	j->filled |= bit;
	if (!key)
		return;
	json_text(j, key);
	putc(':', j->out);
}

static void json_open(struct json *j, const char *key, char sign)
{
	json_begin(j, key);
	putc(sign, j->out);
	j->depth++;
	j->filled &= ~(1ull << j->depth);
}

static void json_close(struct json *j, char sign)
{
	j->depth--;
	putc(sign, j->out);
	if (!j->depth)
		putc('\n', j->out);
}

void json_object(struct json *j, const char *key)
{
	json_open(j, key, '{');
}

void json_object_end(struct json *j)
{
	json_close(j, '}');
}

void json_array(struct json *j, const char *key)
{
	json_open(j, key, '[');
}

void json_array_end(struct json *j)
{
	json_close(j, ']');
}

void json_string(struct json *j, const char *key, const char *value)
{
	json_begin(j, key);
	json_text(j, value);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	json_begin(j, key);
	fprintf(j->out, "%" PRIu64, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	json_begin(j, key);
	fprintf(j->out, "%" PRId64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_begin(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
	json_begin(j, key);
	fputs("null", j->out);
}
