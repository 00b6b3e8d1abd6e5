// SPDX-License-Identifier: GPL-2.0-only
/*
 * swapserver.c - serve /dev/abuseN so that its own machine may swap on it
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * One server, in order: read the command line (options.c), open the backend,
 * configure the device (device.c), make the arena (serve.c), apply and read
 * back the protections (protect.c), bind the device to the store (device.c),
 * say so (status.c), serve (serve.c).  Everything that allocates comes before
 * the first request.
 *
 * With standbys this process serves nothing: it is the supervisor of others
 * (supervisor.c), which spawner.c starts, and which are standby.c's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "board.h"
#include "device.h"
#include "in_use.h"
#include "options.h"
#include "protect.h"
#include "serve.h"
#include "standby.h"
#include "status.h"
#include "supervisor.h"
#include "swapon.h"

/* One server a process; also for the signal handler. */
static struct server server = {
	.backend = { .fd = -1, .memory_fd = -1 },
};

/*
 * SIGTERM and its like.  A device in use needs its server: ending it would
 * leave swapped out pages out of reach.  All of this is done here, for a flag
 * would be seen only when the next request comes.
 */
static void on_terminate(int sig)
{
	int saved = errno;

	(void)sig;
	if (!in_use(server.client.fd)) {
		status_end(&server, 0);
		_exit(EXIT_SERVED);
	}
	status_say(STATUS_REFUSAL);
	errno = saved;
}

static int handle_signals(void)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = on_terminate };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	bool failed = false;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		failed |= sigaction(ends[i], &action, NULL) != 0;
	/* A reader of our messages that goes must not take us with it. */
	failed |= sigaction(SIGPIPE, &ignore, NULL) != 0;
	if (failed) {
		fprintf(stderr, "swapserver: sigaction: %s\n",
			strerror(errno));
		return -1;
	}
	return 0;
}

/* All that may allocate, and the protections.  0 or an exit status. */
static int start(struct options *o)
{
	int status;

	if (device_open(o, &server) || board_check_free(o->device) ||
	    backend_open(&server.backend, o->backend, &o->size_bytes,
			 o->blocksize_bytes))
		return EXIT_FAILED;
	status = device_check_store(o, &server);
	if (status)
		return status;
	if (device_configure(o, &server) ||
	    backend_attach(&server.backend, server.client.fd) ||
	    serve_init(&server) || handle_signals() ||
	    status_open(o->status_path, o->ready_path) || swapon_prepare(o) ||
	    device_check_module(o, &server) ||
	    protect_apply(&o->protections, PROTECT_MASK_ALL, &server))
		return EXIT_FAILED;
	return 0;
}

static int serve_alone(struct options *o)
{
	const struct status_who who = { .role = "active", .slot = -1 };
	int err = start(o);

	if (err) {
		/* As it was found: nobody shall wait for a server that is not. */
		abuse_unconfigure(&server.client);
		return err;
	}
	err = device_bind_store(o, &server);
	if (err)
		return err;
	err = abuse_go_live(&server.client);
	if (err) {
		fprintf(stderr, "swapserver: %s: %s; was it reset meanwhile?\n",
			o->ctl_path, strerror(-err));
		return EXIT_FAILED;
	}
	if (status_server(&server, &o->protections, &who) || status_ready())
		return EXIT_FAILED;
	swapon_go();
	status_mark();
	err = serve_loop(&server);
	status_end(&server, err);
	fprintf(stderr, "swapserver: serving failed: %s\n", strerror(-err));
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct options o;

	options_parse(&o, argc, argv);
	server.batch = o.batch;
	server.nr_lanes = o.nr_lanes;
	server.allocate = o.naive;
	server.hold = o.hold;
	if (o.inherit)
		return standby_run(&o, &server);
	if (o.nr_standbys)
		return supervisor_run(&o, &server);
	return serve_alone(&o);
}
