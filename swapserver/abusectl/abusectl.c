// SPDX-License-Identifier: GPL-2.0-only
/*
 * abusectl.c - make, watch, drain and unmake the devices of abuse.ko
 *
 * Beside the path: it looks at all of bio > queue > ioctl > server > backend >
 * completion, and serves nothing.  This file finds the command; each command
 * is a file of its own.  It never sends SIGKILL, and no signal at all to a
 * server whose device is in use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/abuse.h>

#include "../parse.h"
#include "abusectl.h"

static const struct command {
	const char *name;
	const char *arguments;
	const char *help;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "add",
	  "[N] [--size 4G] [--blocksize B] [--queue Q] [--discard] [--read-only]",
	  "make a device and print its name; with --size configure it, too",
	  add_command },
	{ "remove", "N", "unmake a device that nobody uses", remove_command },
	{ "list", "[--json]", "which devices there are", list_command },
	{ "status", "[N] [--json]",
	  "devices, servers, protections as read back, counters, takeovers",
	  status_command },
	{ "wait", "N [--timeout S] [--pid P]",
	  "until a server serves the device", wait_command },
	{ "drain", "N [--timeout S] [--force]",
	  "swapoff, with progress; then its server ends", drain_command },
	{ "upgrade", "N --binary PATH [--timeout S]",
	  "another binary takes over from the running server, in use or not",
	  upgrade_command },
	{ "reset", "N", "take the configuration from a device nobody uses",
	  reset_command },
	{ "aside", "N requeue|fail",
	  "what becomes of requests that too many servers died with",
	  aside_command },
	{ "scope", "N none|noio|memalloc",
	  "the reserve scope around the serve path's system calls",
	  scope_command },
	{ "policy", "N [KEY=VALUE...]",
	  "show or set no_server, max_owners, scan_timeout_ms, reset, forward_error, spin_us, read_spin_us",
	  policy_command },
};
#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

int complain(int status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("abusectl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

int wrong_usage(const char *command, const char *what)
{
	const struct command *c = find(command);

	return complain(EXIT_USAGE, "%s: %s; usage: abusectl %s %s", command,
			what, command, c ? c->arguments : "");
}

int parse_device(const char *text)
{
	static const char *const before[] = { "/dev/abuse", "/dev/abctl",
					      "abuse", "abctl", "" };
	unsigned long number;
	size_t i, len;

	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		len = strlen(before[i]);
		if (!strncmp(text, before[i], len) &&
		    parse_number(text + len, 0, ABUSE_NR_LIMIT - 1, &number))
			return number;
	}
	complain(EXIT_USAGE, "%s: no device; N of /dev/abuseN, please", text);
	return -1;
}

void lock_memory(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		return; /* as good as it gets without privileges */
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static void usage(FILE *out)
{
	size_t i;

	fputs("usage: abusectl COMMAND [arguments]\n"
	      "Make, watch, drain and unmake the devices of abuse.ko.\n"
	      "\n",
	      out);
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %s %s\n        %s\n", commands[i].name,
			commands[i].arguments, commands[i].help);
	fputs("  --help, --version\n"
	      "\n"
	      "N may also be written /dev/abuseN.\n"
	      "exit status: 0 done; 1 failed; 2 wrong usage; 3 refused: the device is in use\n",
	      out);
}

int main(int argc, char **argv)
{
	const struct command *command;
	int status;

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("abusectl " ABUSE_VERSION);
		return EXIT_DONE;
	}
	command = find(argv[1]);
	if (!command)
		return complain(EXIT_USAGE,
				"%s: no such command; see abusectl --help",
				argv[1]);
	if (argc == 3 && !strcmp(argv[2], "--help")) {
		printf("usage: abusectl %s %s\n%s\n", command->name,
		       command->arguments, command->help);
		return EXIT_DONE;
	}
	status = command->run(argc - 1, argv + 1);
	/* A full disk or a closed pipe: what was asked for was not told. */
	if (fflush(stdout) && status == EXIT_DONE)
		return complain(EXIT_FAILED, "standard output: %s",
				strerror(errno));
	return status;
}
