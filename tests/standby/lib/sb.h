/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sb.h - what the tests of standby servers share
 *
 * Where it stands: [test] > supervisor, spawner, servers > /dev/abctl0.
 * A swapserver with standbys and its board, and a load that verifies what it
 * reads.  What a test needs beyond that is in t.h.
 */
#ifndef TESTS_STANDBY_SB_H
#define TESTS_STANDBY_SB_H

#include "t.h"
#include "../../../swapserver/board.h"

#define SB_DISK		"--size 64M /dev/abctl0 disk,path=/dev/store"
#define SB_RAM		"--size 16M /dev/abctl0 ram"

struct sb {
	struct t_swapserver s;		/* the supervisor */
	struct board *board;		/* NULL: a server without one */
	int ctl;			/* to read counters */
};

/*
 * flags: unless the environment has SERVER_FLAGS, which then take their place.
 * Returns when the device is live and, if there is a board, all standbys that
 * it asks for are ready.
 */
struct sb sb_start(const char *flags, const char *arguments, int nr_standbys);

/* Processes in a state; those of which the kernel says that they live. */
int sb_count(const struct sb *sb, enum board_state state);
/* Who has the turn (waits for it), or the one server that there is. */
pid_t sb_active(const struct sb *sb);
/* Its slot. */
struct board_slot *sb_slot(const struct sb *sb, pid_t pid);
/* Any standby. */
pid_t sb_standby(const struct sb *sb);
/* kill(2) of a process that is not a child, and wait until it has gone. */
void sb_kill(pid_t pid);
/* kill -9 of the active server, with the time of it on the board. */
pid_t sb_kill_active(const struct sb *sb);
/* The active one and a standby at once: neither is there when the other goes. */
void sb_kill_servers(const struct sb *sb);
/* SIGTERM to the supervisor: status 0, and nobody is left. */
void sb_end(const struct sb *sb);
/* What the supervisor and its servers have said on stderr. */
bool sb_said(const struct sb *sb, const char *text);

/* A load in processes of its own: writes, reads back, and verifies. */
#define SB_LOADS	3
void sb_load_start(uint64_t size_bytes);
/* So many rounds more by each load. */
void sb_load_await(uint32_t rounds);
void sb_load_stop(void);

/*
 * Swap under pressure: /bin/pageload with four fifths of LOAD_PERCENT (130) of
 * the memory, one pass after the other, another seed each time.
 */
void sb_swap_start(const struct sb *sb);
/* Waits until the servers have answered so many requests more. */
void sb_swap_await(const struct sb *sb, uint64_t answers);
/*
 * Waits for the end of the pass: each word was as it had been written, nobody
 * has died, and it did swap.
 */
void sb_swap_end(const struct sb *sb);
/* Before it: who kills servers must not wait for what it has killed. */
void sb_lock(void);

/* Plain emulation, memory exhausted: a new server may take its time. */
#define SB_PATIENCE_MS	60000
#define SB_AWAIT(cond)							\
	do {								\
		long waited = t_now_ms();				\
		while (!(cond)) {					\
			if (t_now_ms() - waited >			\
			    SB_PATIENCE_MS * t_time_factor())		\
				T_FAIL("waited %d ms in vain for: %s",	\
				       SB_PATIENCE_MS, #cond);		\
			t_pause();					\
		}							\
	} while (0)

#endif
