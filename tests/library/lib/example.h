/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * example.h - an example of swapserver/examples inside the test that runs it
 *
 * Where it stands: bio > queue > ioctl > [server].  The program is built by
 * the top Makefile, embedded here, and started from memory.
 */
#ifndef LIBRARY_EXAMPLE_H
#define LIBRARY_EXAMPLE_H

#include "t.h"

struct example {
	const char *name;
	const char *begin, *end;
};

/* The example that the file of that name in build/guest/examples is, as id. */
#define EXAMPLE(id, file)						\
	extern const char id##_begin[], id##_end[];			\
	__asm__(".section .rodata\n"					\
		".globl " #id "_begin, " #id "_end\n"			\
		#id "_begin: .incbin \"build/guest/examples/" file "\"\n" \
		#id "_end:\n"						\
		".previous\n");						\
	static const struct example id = { file, id##_begin, id##_end }

/*
 * Start it with arguments separated by spaces; returns when it serves the
 * device that ctl is of, alone.  Its words on stderr are the test's failure.
 */
pid_t example_start(int ctl, const struct example *example,
		    const char *arguments);
/* Kill it, and wait until the device has noticed. */
void example_kill(int ctl, pid_t pid);
/* The same, and the configuration is gone; closes ctl, which reset it. */
void example_end(int ctl, pid_t pid);
/* Run it to its end: its exit status.  What it said: example_words(). */
int example_fails(const struct example *example, const char *arguments);
const char *example_words(void);

/*
 * One read or write by a process of its own, O_DIRECT: bytes or -errno.  A
 * read finds 0x5a in data, which is shared memory, where nothing is read.
 */
long example_io(int number, enum t_op op, void *data, uint64_t offset_bytes,
		uint32_t len_bytes);
/* An ioctl with a range (BLKDISCARD, BLKZEROOUT), likewise: 0 or -errno. */
int example_range(int number, unsigned long cmd, uint64_t offset_bytes,
		  uint64_t len_bytes);
/* Fails the test if it is not all zeroes. */
void example_zeroes(const void *data, uint32_t len_bytes);

#endif
