// SPDX-License-Identifier: GPL-2.0-only
/*
 * backend.c - which backends there are, and how the command line names one
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 */
#include <stdio.h>
#include <string.h>

#include "backend.h"

const struct backend_ops *const backend_all[] = {
	&backend_ram,
	&backend_disk,
	NULL,
};

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

int backend_open(struct backend *b, const char *spec, uint64_t *size_bytes,
		 uint32_t blocksize_bytes)
{
	size_t len = strcspn(spec, ",");
	const char *options = spec + len + (spec[len] == ',');
	int i;

	*b = (struct backend){
		.fd = b->fd,
		.memory_fd = b->memory_fd,
		.blocksize_bytes = blocksize_bytes,
	};
	for (i = 0; backend_all[i]; i++) {
		if (strlen(backend_all[i]->name) != len ||
		    strncmp(backend_all[i]->name, spec, len))
			continue;
		b->ops = backend_all[i];
		if (b->ops->open(b, options, size_bytes))
			return -1;
		b->size_bytes = *size_bytes;
		return 0;
	}
	fprintf(stderr, "swapserver: no backend \"%.*s\"; --help lists them\n",
		(int)len, spec);
	return -1;
}
