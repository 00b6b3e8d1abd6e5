// SPDX-License-Identifier: GPL-2.0-only
/*
 * options.c - the command line
 *
 * Beside the path: read once, before anything else.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "parse.h"

static void usage(FILE *out)
{
	int i;

	fputs("usage: swapserver [options] /dev/abctlN BACKEND[,option=value...]\n"
	      "Serve /dev/abuseN from this process, safely enough to swap on it.\n"
	      "\n"
	      "backends:\n", out);
	for (i = 0; backend_all[i]; i++)
		fprintf(out, "  %s\n", backend_all[i]->help);
	fputs("\n"
	      "options:\n"
	      "  --size BYTES        size of the device (K, M, G, T); default: the store's\n"
	      "  --blocksize BYTES   logical block size, 512 to 4096 (4096)\n"
	      "  --queue N           bound on the requests in the kernel's care (512)\n"
	      "  --batch N           requests taken at a time, 1 to 64 (32)\n"
	      "  --lanes N           threads that read and write beside the one that serves, 0\n"
	      "                      to 15; default: 3 where the backend can, or 0\n"
	      "  --read-only         refuse writes\n"
	      "  --status PATH       append one line of JSON when ready, one at the end\n"
	      "  --ready PATH        create this file; it holds a line when ready\n"
	      "  --standby N         servers that take over when the active one dies, 0 to 7\n"
	      "                      (0): with a supervisor that replaces those that died\n"
	      "  --hang-timeout S    kill an active server that answers nothing for so many\n"
	      "                      seconds while requests wait (10); 0: never\n"
	      "  --start-timeout S   kill a server that is started and not ready after so many\n"
	      "                      seconds (60); 0: never\n"
	      "  --upgrade           take the place of the servers that run, nothing is lost\n"
	      "  --swapon            make the device a swap area, and swap on it\n"
	      "  --priority P        of that swap area, 0 to 32767; default: the kernel's\n"
	      "  --anew              take a device that nobody uses from another store\n"
	      "  --no-store-id       tie the device to no store: for experiments\n"
	      "  --naive             all protections off, and a buffer mapped for each\n"
	      "                      request: for experiments, hangs when swapped on\n"
	      "  --hold N            answer no write until N are there: for experiments\n"
	      "  --no-NAME           leave one protection out: for experiments\n"
	      "  --NAME              insist on it, where it would be left out\n"
	      "  --help, --version\n"
	      "\n"
	      "protections, all on by default; the server\n", out);
	for (i = 0; i < PROTECT_COUNT; i++)
		fprintf(out, "  %-10s%s\n", protect_names[i], protect_help[i]);
	fputs("\n"
	      "SIGTERM, SIGINT, SIGHUP and SIGQUIT end the server unless its device is open\n"
	      "or swapped on.\n"
	      "exit status: 0 ended by one of these; 1 failed; 2 wrong usage; 3 the device\n"
	      "is bound to another store\n", out);
}

static int __attribute__((noreturn)) wrong_usage(const char *what,
						 const char *value)
{
	fprintf(stderr, "swapserver: %s%s%s; see swapserver --help\n", what,
		value ? ": " : "", value ? value : "");
	exit(EXIT_USAGE);
}

static uint64_t option_size(const char *text)
{
	uint64_t bytes;

	if (!parse_size(text, &bytes) || !bytes)
		wrong_usage("not a size", text);
	return bytes;
}

static unsigned int option_number(const char *what, const char *text,
				  unsigned int min, unsigned int max)
{
	unsigned long value;

	if (!parse_number(text, min, max, &value))
		wrong_usage(what, text);
	return value;
}

/* --mlock, --no-mlock and their like; false if it is none of them. */
static bool option_protection(struct options *o, const char *word)
{
	bool wanted = strncmp(word, "--no-", 5) != 0;
	const char *name = word + (wanted ? 2 : 5);
	int i;

	if (strncmp(word, "--", 2))
		return false;
	for (i = 0; i < PROTECT_COUNT; i++) {
		if (strcmp(name, protect_names[i]))
			continue;
		o->protections.p[i].wanted = wanted;
		o->asked &= ~(1u << i);
		o->asked |= (unsigned int)wanted << i;
		return true;
	}
	return false;
}

/* As they came: what parses them puts them in another order. */
static char **copy_arguments(int argc, char **argv)
{
	char **copy = calloc((size_t)argc + 1, sizeof(*copy));

	if (!copy) {
		fprintf(stderr, "swapserver: no memory\n");
		exit(EXIT_FAILED);
	}
	memcpy(copy, argv, (size_t)argc * sizeof(*copy));
	return copy;
}

/*
 * getopt does not know the protections: each is an option of its own that is
 * taken out here.
 */
static void take_protections(struct options *o, int *argc, char **argv)
{
	int from, to = 1;

	for (from = 1; from < *argc; from++) {
		if (option_protection(o, argv[from]))
			continue;
		argv[to++] = argv[from];
	}
	argv[to] = NULL;
	*argc = to;
}

/* I8: some backends are not to have it, and then it is not on by default. */
static void check_scope(struct options *o)
{
	if (backend_takes_scope(o->backend))
		return;
	if (o->asked & 1u << PROTECT_SCOPE)
		wrong_usage("file systems misbehave under the reserve scope: leave --scope out, or give a disk",
			    o->backend);
	o->protections.p[PROTECT_SCOPE].wanted = false;
}

void options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "size", required_argument, NULL, 's' },
		{ "blocksize", required_argument, NULL, 'b' },
		{ "queue", required_argument, NULL, 'q' },
		{ "batch", required_argument, NULL, 'n' },
		{ "lanes", required_argument, NULL, 'l' },
		{ "read-only", no_argument, NULL, 'r' },
		{ "status", required_argument, NULL, 'S' },
		{ "ready", required_argument, NULL, 'R' },
		{ "naive", no_argument, NULL, 'N' },
		{ "hold", required_argument, NULL, 'H' },
		{ "no-store-id", no_argument, NULL, 'I' },
		{ "anew", no_argument, NULL, 'a' },
		{ "standby", required_argument, NULL, 'y' },
		{ "hang-timeout", required_argument, NULL, 'g' },
		{ "start-timeout", required_argument, NULL, 't' },
		{ "upgrade", no_argument, NULL, 'u' },
		{ "swapon", no_argument, NULL, 'o' },
		{ "priority", required_argument, NULL, 'p' },
		{ "inherit", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, i;

	*o = (struct options){
		.blocksize_bytes = 4096,
		.batch = 32,
		.nr_lanes = -1,
		.hang_timeout_s = 10,
		/* Memory exhausted, and gigabytes to lock: it takes its time. */
		.start_timeout_s = 60,
		.priority = -1,
		.argc = argc,
		.argv = copy_arguments(argc, argv),
	};
	for (i = 0; i < PROTECT_COUNT; i++)
		o->protections.p[i].wanted = true;
	take_protections(o, &argc, argv);
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->size_bytes = option_size(optarg);
			break;
		case 'b':
			o->blocksize_bytes = option_number("not a block size",
							  optarg, 512, 4096);
			break;
		case 'q':
			o->queue = option_number("not a queue bound", optarg, 1,
						ABUSE_QUEUE_LIMIT);
			break;
		case 'n':
			o->batch = option_number("not a batch", optarg, 1,
						SERVE_BATCH_MAX);
			break;
		case 'l':
			o->nr_lanes = option_number("not a number of lanes",
						   optarg, 0, LANES_MAX);
			break;
		case 'r':
			o->read_only = true;
			break;
		case 'S':
			o->status_path = optarg;
			break;
		case 'R':
			o->ready_path = optarg;
			break;
		case 'N':
			o->naive = true;
			break;
		case 'H':
			o->hold = option_number("not a number of writes",
						optarg, 1, SERVE_BATCH_MAX);
			break;
		case 'I':
			o->no_store_id = true;
			break;
		case 'a':
			o->anew = true;
			break;
		case 'y':
			o->nr_standbys = option_number("not a number of standbys",
						      optarg, 0, STANDBYS_MAX);
			break;
		case 'g':
			o->hang_timeout_s = option_number("not a time", optarg,
							 0, 3600);
			break;
		case 't':
			o->start_timeout_s = option_number("not a time", optarg,
							   0, 3600);
			break;
		case 'u':
			o->upgrade = true;
			break;
		case 'o':
			o->swapon = true;
			break;
		case 'p':
			o->priority = option_number("not a priority", optarg, 0,
						   32767);
			break;
		case 'i':
			o->inherit = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SERVED);
		case 'V':
			puts("swapserver " ABUSE_VERSION);
			exit(EXIT_SERVED);
		default:
			exit(EXIT_USAGE);
		}
	}
	if (argc - optind != 2)
		wrong_usage("a control node and a backend, please", NULL);
	o->ctl_path = argv[optind];
	o->backend = argv[optind + 1];
	if (o->upgrade && !o->nr_standbys)
		wrong_usage("--upgrade wants --standby, as the servers that run have it", NULL);
	if (o->priority >= 0 && !o->swapon)
		wrong_usage("--priority wants --swapon", NULL);
	if (o->anew && o->upgrade)
		wrong_usage("--anew gives the old store up, --upgrade takes it over", NULL);
	if (o->hold > o->batch || (o->hold && o->nr_standbys))
		wrong_usage("--hold wants a --batch as large, and no --standby", NULL);
	if (o->naive)
		for (i = 0; i < PROTECT_COUNT; i++)
			o->protections.p[i].wanted = o->asked & 1u << i;
	check_scope(o);
}
