// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill -9 the supervisor under verified I/O and start it again
 * with its own command line, as a service manager does, more often than the
 * board has room for servers: those that run go on, new ones join on the same
 * store, the old ones step down.  So it is when one was killed before it was in
 * office, and only a server of its is left; a server without standbys is refused
 * meanwhile.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 150
 * busted: env=T_TWIN=start-anew
 * invariant: I4 I13
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "sb.h"

#define AGAIN	"--standby 1 " SB_RAM
/* Two servers each time: more than BOARD_SLOTS. */
#define ROUNDS	9

static void kill_supervisor(struct sb *sb)
{
	t_kill(sb->s.pid, SIGKILL);
	/* What is not a takeover: nobody is left, and the store with them. */
	if (t_twin("start-anew")) {
		while (sb_count(sb, BOARD_STANDBY))
			sb_kill(sb_standby(sb));
		sb_kill(sb_active(sb));
	}
}

static void refused(const char *arguments, const char *says)
{
	struct t_swapserver s = t_swapserver_run(arguments);
	int status = t_reap(s.pid);

	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1 &&
	       strstr(t_read_text("%s", s.errors), says),
	       "\"%s\" beside servers without a supervisor: expected status 1 and \"%s\", found 0x%x: %s",
	       arguments, says, status, t_read_text("%s", s.errors));
}

static void restart(struct sb *sb)
{
	pid_t active = t_twin("start-anew") ? 0 : sb_active(sb);

	sb->s = t_swapserver_run(AGAIN);
	T_UNTIL(t_ended(sb->s.pid) || t_swapserver_ready(&sb->s));
	T_TRUE(!t_ended(sb->s.pid), "the supervisor, started again: expected it to take over, found: %s",
	       t_read_text("%s", sb->s.errors));
	sb_load_await(2);
	T_UNTIL(!active || strchr("ZX?", t_state(active)));
	T_EQ(sb->board->supervisor, sb->s.pid);
	T_UNTIL(sb_count(sb, BOARD_STANDBY) == 1);
	T_EQ(sb_count(sb, BOARD_ACTIVE), 1);
	T_TRUE(sb_said(sb, "taking over from them"), "stderr: expected a line about it, found: %s",
	       t_read_text("%s", sb->s.errors));
}

/* A server that is no longer, or not yet, of that crew, and ready. */
static bool has_newcomer(const struct sb *sb, uint32_t crew)
{
	const struct board_slot *slot;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		slot = &sb->board->slots[i];
		if (slot->crew != crew && slot->state >= BOARD_STANDBY &&
		    turn_holder(&slot->life))
			return true;
	}
	return false;
}

/* It comes to a server, not into office; and then only that one is left. */
static void restart_and_die(const struct sb *sb)
{
	uint32_t crew = sb->board->crew;
	struct t_swapserver s = t_swapserver_run(AGAIN);
	pid_t pid;
	int i;

	T_UNTIL(t_ended(s.pid) || has_newcomer(sb, crew));
	t_kill(s.pid, SIGKILL);
	T_UNTIL(has_newcomer(sb, crew));
	for (i = 0; i < BOARD_SLOTS; i++) {
		pid = turn_holder(&sb->board->slots[i].life);
		if (!pid || sb->board->slots[i].crew != crew)
			continue;
		/* If we were too late, it steps down and may be gone. */
		kill(pid, SIGKILL);
		T_UNTIL(strchr("ZX?", t_state(pid)));
	}
	sb_load_await(2);
}

int main(void)
{
	struct sb sb;
	int i;

	t_init(140);
	sb = sb_start("--standby=1", SB_RAM, 1);
	sb_load_start(12 * T_MIB);
	for (i = 0; i < ROUNDS; i++) {
		sb_load_await(2);
		kill_supervisor(&sb);
		if (!t_twin("start-anew"))
			sb_load_await(2);
		if (i == 0) {
			refused(SB_RAM, "give --standby to take over");
			refused("--blocksize 512 " AGAIN, "give the same");
		}
		if (i == 1)	/* who takes over is alone */
			sb_kill_active(&sb);
		if (i == 2 && !t_twin("start-anew"))
			restart_and_die(&sb);
		restart(&sb);
	}
	/* It replaces who dies. */
	sb_kill_active(&sb);
	sb_load_await(2);
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
	sb_load_stop();
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	sb_end(&sb);
	return t_end();
}
