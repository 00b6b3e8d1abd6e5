/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json.h - one valid JSON document on a stream
 *
 * Beside the path.  Allocates nothing.  Whatever a text holds, the document is
 * valid UTF-8: what is not becomes U+FFFD.  Commas are the printer's affair;
 * that each begin has its end is the caller's.
 */
#ifndef ABUSECTL_JSON_H
#define ABUSECTL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Deepest nesting, exclusively: the bits of json.filled. */
#define JSON_DEPTH_MAX 64

struct json {
	FILE *out;
	unsigned int depth;
	uint64_t filled; /* bit i: level i has a member already */
};

/*
 * key: of a member of an object; NULL for an element of an array, and for the
 * document itself.
 */
void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_string(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
