// SPDX-License-Identifier: GPL-2.0-only
/*
 * flusher.c - starts a program that the kernel treats as one that writes for it
 *
 * Where it stands: job > peer > [flusher] > server.  For servers that do not
 * take PR_SET_IO_FLUSHER by themselves: a program has it from who starts it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: flusher PROGRAM [ARGUMENT...]   run it with PR_SET_IO_FLUSHER (needs CAP_SYS_RESOURCE)\n",
		      stderr);
		return 2;
	}
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0)) {
		fprintf(stderr, "flusher: PR_SET_IO_FLUSHER: %s; needs CAP_SYS_RESOURCE\n",
			strerror(errno));
		return 1;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "flusher: %s: %s\n", argv[1], strerror(errno));
	return 1;
}
