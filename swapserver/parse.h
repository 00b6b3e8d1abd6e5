/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parse.h - numbers and sizes, as people write them
 *
 * Beside the path: for the command lines of the server, of its backends and of
 * abusectl.  Prints nothing.
 */
#ifndef SWAPSERVER_PARSE_H
#define SWAPSERVER_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * parse_size - a number that may be followed by K, M, G or T
 * @text: "4096", "0x1000", "4G"; decimal, also with zeroes in front
 * @bytes: written if it is one
 *
 * Context: Does not allocate.
 * Return: false if it is none, or more than fits.
 */
bool parse_size(const char *text, uint64_t *bytes);

/**
 * parse_number - a number within bounds, without a unit
 * @text: "10", "0x10"; decimal, also with zeroes in front
 * @min: the least that will do
 * @max: the most
 * @value: written if it is one
 *
 * Context: Does not allocate.
 * Return: false if it is none, or out of bounds.
 */
bool parse_number(const char *text, unsigned long min, unsigned long max,
		  unsigned long *value);

#endif
