// SPDX-License-Identifier: GPL-2.0-only
/*
 * backend.c - which backends there are, and how the command line names one
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "parse.h"

const struct backend_ops *const backend_all[] = {
	&backend_null, &backend_ram,	 &backend_lz4,
	&backend_disk, &backend_forward, &backend_bar,
	&backend_file, &backend_fault,	 NULL,
};

int backend_fail(const struct backend *b, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "swapserver: %s: %s\n", b->ops->name, text);
	return -1;
}

bool backend_option(const char *options, const char *key, char *value,
		    size_t value_bytes)
{
	size_t key_len = strlen(key);

	while (*options) {
		size_t len = strcspn(options, ",");

		if (len > key_len && !strncmp(options, key, key_len) &&
		    options[key_len] == '=') {
			snprintf(value, value_bytes, "%.*s",
				 (int)(len - key_len - 1),
				 options + key_len + 1);
			return true;
		}
		options += len;
		options += *options == ',';
	}
	return false;
}

int backend_option_number(const struct backend *b, const char *options,
			  const char *key, uint64_t *value)
{
	char text[32];

	if (!backend_option(options, key, text, sizeof(text)))
		return 0;
	if (!parse_size(text, value))
		return backend_fail(b, "%s=%s: not a number", key, text);
	return 0;
}

/* Is that one of the keys? */
static bool backend_knows(const struct backend_ops *ops, const char *option,
			  size_t len)
{
	const char *const *key;

	for (key = ops->options; key && *key; key++)
		if (strlen(*key) == len && !strncmp(*key, option, len))
			return true;
	return false;
}

/* A misspelt option must not be one that is left out. */
static int backend_check_options(const struct backend *b, const char *options)
{
	const char *end = options + (b->ops->wraps ? strcspn(options, ":")
						   : strlen(options));

	while (options < end) {
		size_t len = strcspn(options, ",:");
		size_t key_len = strcspn(options, "=");

		if (!b->ops->wraps)
			len = strcspn(options, ",");
		if (key_len >= len || !backend_knows(b->ops, options, key_len))
			return backend_fail(
				b, "no option \"%.*s\"; see swapserver(8)",
				(int)len, options);
		options += len;
		options += *options == ',';
	}
	return 0;
}

int backend_identify(struct backend *b, const char *options, const char *name)
{
	char text[80];

	if (storeid_is_set(b->store_id))
		return 0;
	if (backend_option(options, "id", text, sizeof(text)))
		return storeid_read(b->store_id, text)
			       ? backend_fail(b,
					      "id=%s: not 32 hexadecimal "
					      "digits, or all 0",
					      text)
			       : 0;
	if (!name)
		return backend_fail(
			b, "nothing tells this store from another one: give "
			   "it a name, id= and 32 hexadecimal digits");
	storeid_make(b->store_id, name);
	return 0;
}

static const struct backend_ops *backend_find(const char *spec, size_t len)
{
	int i;

	for (i = 0; backend_all[i]; i++)
		if (strlen(backend_all[i]->name) == len &&
		    !strncmp(backend_all[i]->name, spec, len))
			return backend_all[i];
	return NULL;
}

bool backend_takes_scope(const char *spec)
{
	const struct backend_ops *ops = backend_find(spec, strcspn(spec, ",:"));

	if (ops && ops->wraps && strchr(spec, ':'))
		return backend_takes_scope(strchr(spec, ':') + 1);
	return !ops || !ops->no_scope;
}

int backend_open(struct backend *b, const char *spec, uint64_t *size_bytes,
		 uint32_t blocksize_bytes)
{
	size_t len = strcspn(spec, ",:");
	const char *options = spec + len + (spec[len] == ',');
	struct backend old = *b;

	*b = (struct backend){
		.ops = backend_find(spec, len),
		.fd = old.fd,
		.memory_fd = old.memory_fd,
		.blocksize_bytes = blocksize_bytes,
	};
	memcpy(b->store_id, old.store_id, sizeof(b->store_id));
	if (!b->ops) {
		fprintf(stderr,
			"swapserver: no backend \"%.*s\"; --help lists them\n",
			(int)len, spec);
		return -1;
	}
	if (backend_check_options(b, options) ||
	    b->ops->open(b, options, size_bytes))
		return -1;
	b->size_bytes = *size_bytes;
	return 0;
}

int backend_attach(struct backend *b, int ctl_fd)
{
	return b->ops->attach ? b->ops->attach(b, ctl_fd) : 0;
}
