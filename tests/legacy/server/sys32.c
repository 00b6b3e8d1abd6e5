// SPDX-License-Identifier: GPL-2.0-only
/*
 * sys32.c - a 32-bit program's entry, six system calls, two copies: see sys.h
 *
 * Where it stands: [start of the server].  The entry is that of the i386 ABI:
 * argc and argv lie on the stack.  System calls go by int 0x80.
 */
#include "sys.h"

#define NR_EXIT_GROUP	252
#define NR_OPEN		5
#define NR_IOCTL	54
#define NR_MMAP		90	/* the old one: takes a block of arguments */
#define NR_MUNMAP	91
#define NR_POLL		168

int errno;

int main(int argc, char **argv);

static long syscall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a" (ret)
			 : "a" (nr), "b" (a), "c" (b), "d" (c) : "memory");
	return ret;
}

static long result(long ret)
{
	if ((unsigned long)ret < -4095ul)
		return ret;
	errno = -ret;
	return -1;
}

void _exit(int status)
{
	for (;;)
		syscall3(NR_EXIT_GROUP, status, 0, 0);
}

int open(const char *path, int flags)
{
	return result(syscall3(NR_OPEN, (long)path, flags, 0));
}

int ioctl(int fd, unsigned long cmd, ...)
{
	__builtin_va_list args;
	long arg;

	__builtin_va_start(args, cmd);
	arg = __builtin_va_arg(args, long);
	__builtin_va_end(args);
	return result(syscall3(NR_IOCTL, fd, cmd, arg));
}

int poll(struct pollfd *fds, unsigned int nr, int timeout_ms)
{
	return result(syscall3(NR_POLL, (long)fds, nr, timeout_ms));
}

void *mmap(void *address, size_t bytes, int prot, int flags, int fd,
	   int offset)
{
	long block[] = { (long)address, bytes, prot, flags, fd, offset };

	return (void *)result(syscall3(NR_MMAP, (long)block, 0, 0));
}

int munmap(void *address, size_t bytes)
{
	return result(syscall3(NR_MUNMAP, (long)address, bytes, 0));
}

void *memcpy(void *to, const void *from, size_t bytes)
{
	char *t = to;
	const char *f = from;

	while (bytes--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int byte, size_t bytes)
{
	char *t = to;

	while (bytes--)
		*t++ = byte;
	return to;
}

__attribute__((noreturn, used)) static void start(long *stack)
{
	_exit(main(stack[0], (char **)(stack + 1)));
}

__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %esp, %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call start\n");
