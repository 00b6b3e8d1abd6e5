/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sd.h - what the tests under a service manager share
 *
 * Where it stands: [test] > systemctl > systemd > abuse-swap@0.service.
 * systemd is the first process of the guest; the test is a bystander of it,
 * which a shutdown spares, so that it can look at the end of one.
 */
#ifndef TESTS_SYSTEMD_SD_H
#define TESTS_SYSTEMD_SD_H

#include "t.h"
#include "../../../swapserver/board.h"

#define SD_UNIT		"abuse-swap@0.service"
#define SD_DISK		"disk,path=/dev/store"
/* Two cores emulated, and everything is started by somebody else. */
#define SD_PATIENCE_MS	40000
#define SD_AWAIT(cond)							\
	do {								\
		long waited = t_now_ms();				\
		while (!(cond)) {					\
			if (t_now_ms() - waited > SD_PATIENCE_MS)	\
				T_FAIL("waited %d ms in vain for: %s",	\
				       SD_PATIENCE_MS, #cond);		\
			t_pause();					\
		}							\
	} while (0)

/*
 * First of all in main(): as the hook of a shutdown (see sd_shutdown()) it does
 * not return.  limit_s: as for t_init().
 */
void sd_init(int argc, char **argv, int limit_s);

/*
 * Install the unit as `make install` does, with the example of a configuration
 * but for the backend; start it; returns when swap is on.  The twin "plain" is
 * a unit as anybody would write it.
 */
struct board *sd_start(const char *backend);
/* Only the first part of that; options: NULL, or others than the example has. */
void sd_install(const char *backend, const char *options);

/* A program: its exit status; what it says, of both kinds, in static storage. */
int sd_run(const char **said, char *const args[]);

/* systemctl with these arguments: its exit status; what it says, in static storage. */
int sd_ctl(const char **said, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A property of the unit, in static storage. */
const char *sd_show(const char *property);
/* It is in this ActiveState. */
bool sd_is(const char *state);
void sd_write(const char *path, const char *text);

/* abusectl drain; returns when the unit has ended. */
void sd_drain(void);
pid_t sd_active(const struct board *board);	/* who has the turn */
bool sd_lives(pid_t pid);
bool sd_swap_is_on(void);

/* A process with so many bytes of stamps, all of them in swap; it ends last. */
struct sd_holder {
	pid_t pid;
	volatile bool *look;
};
struct sd_holder sd_holder_start(uint32_t bytes);
/* Each word of it is what it was. */
void sd_holder_check(const struct sd_holder *h);

/*
 * systemctl VERB (poweroff, reboot), up to where nothing comes but the call
 * that does it.  Returns whether swap was still on when the final kill began.
 */
bool sd_shutdown(const char *verb);

/* After it: the server that has outlived all of it ends by SIGTERM. */
void sd_end(const struct board *board);

#endif
