/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abusectl.h - what the commands of the control tool share
 *
 * Beside the path: it looks at all of bio > queue > ioctl > server > backend >
 * completion, and serves nothing.
 */
#ifndef ABUSECTL_H
#define ABUSECTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ABUSE_VERSION
#error "ABUSE_VERSION comes from the Makefile"
#endif

/* The exit codes that the manual page documents. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,	 /* nothing was done */
	EXIT_IN_USE = 3, /* refused: the device is in use, and stays so */
};

/*
 * The commands: argv[0] is the command's name.  Each returns an exit code, and
 * unless that is 0 has printed one line that says what to do.
 */
int add_command(int argc, char **argv);
int remove_command(int argc, char **argv);
int list_command(int argc, char **argv);
int status_command(int argc, char **argv);
int wait_command(int argc, char **argv);
int drain_command(int argc, char **argv);
int upgrade_command(int argc, char **argv);
int reset_command(int argc, char **argv);
int aside_command(int argc, char **argv);
int scope_command(int argc, char **argv);
int policy_command(int argc, char **argv);

/* One line on stderr, "abusectl: ..."; returns status, for return. */
int complain(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* EXIT_USAGE, with a line that shows how the command is called. */
int wrong_usage(const char *command, const char *what);

/*
 * N of "0", "abuse0", "/dev/abuse0" or "/dev/abctl0"; -1, a line printed, if
 * it is none of them.
 */
int parse_device(const char *text);

/*
 * All memory of this process, now and later, so that a page of it is not what
 * a full machine has to find; best effort, for it is no server.
 */
void lock_memory(void);

uint64_t now_ms(void); /* CLOCK_MONOTONIC */
void pause_ms(int ms); /* a signal ends it early */

#endif
