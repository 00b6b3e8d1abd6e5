// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill -9 all processes that have a store in memory, one server
 * or a crew, while a read waits: a server with a new and empty store says in
 * one line that the device is another's, ends with status 3, and the read goes
 * on waiting, not answered with zeroes.  A takeover before that keeps the id;
 * --anew gives the old store up, but only once nobody uses the device.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * time: 120
 * busted: env=T_TWIN=no-store-id
 * invariant: I14
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "t_disk.h"
#include "sb.h"

static const struct {
	const char *flags, *backend;
	int nr_standbys;
} rows[] = {
	/* First those that leave no board behind. */
	{ "", "ram", 0 },
	{ "", "fault:lz4", 0 },
	{ "--standby 1", "ram", 1 },
	{ "--standby 1", "lz4", 1 },
};

static char *line_of(const char *flags, const char *more, const char *backend)
{
	char *line;

	T_OK(asprintf(&line, "%s %s %s --size 16M /dev/abctl0 %s",
		      t_twin("no-store-id") ? "--no-store-id" : "", flags, more,
		      backend));
	return line;
}

static char *store_id(void)
{
	char *id = strdup(t_attr(T_ABUSE, 0, "store_id"));

	T_TRUE(strlen(id) == 32 || t_twin("no-store-id"),
	       "store_id: expected 32 digits, found \"%s\"", id);
	return id;
}

static void refused(const char *line, const char *says)
{
	struct t_swapserver s = t_swapserver_run(line);
	char *said;
	int status;

	T_UNTIL(t_ended(s.pid) || t_swapserver_ready(&s));
	T_TRUE(t_ended(s.pid), "swapserver %s: expected it refused, found that it serves",
	       line);
	status = t_reap(s.pid);
	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3,
	       "swapserver %s: expected status 3, found 0x%x: %s", line,
	       status, t_read_text("%s", s.errors));
	said = strdup(t_read_text("%s", s.errors));
	T_TRUE(strstr(said, says) && strchr(said, '\n') == strrchr(said, '\n'),
	       "swapserver %s: expected one line with \"%s\", found: %s", line,
	       says, said);
	free(said);
}

static void kill_all(struct sb *sb)
{
	t_kill(sb->s.pid, SIGKILL);
	if (!sb->board)
		return;
	while (sb_count(sb, BOARD_STANDBY))
		sb_kill(sb_standby(sb));
	sb_kill(sb_active(sb));
	T_UNTIL(!turn_holder(&sb->board->office[0].spawner));
}

static void lost(const char *flags, const char *backend, int nr_standbys)
{
	char *line = line_of(flags, "", backend), *id, *now;
	struct sb sb = sb_start("", line, nr_standbys);
	struct t_io *io;

	printf("%s %s\n", flags, backend);
	id = store_id();
	T_EQ(t_result(t_submit(0, T_WRITE, 0, T_MIB, 0)), T_MIB);
	if (sb.board) {
		sb_kill_active(&sb);
		io = t_submit(0, T_READ, 0, T_MIB, 0);
		T_EQ(t_result(io), T_MIB);
		t_stamp_check(io->data, 0, T_MIB, 1);
		now = store_id();
		T_TRUE(!strcmp(id, now), "store_id after a takeover: expected %s, found %s",
		       id, now);
		T_UNTIL(sb_count(&sb, BOARD_STANDBY) == nr_standbys);
	}
	kill_all(&sb);

	io = t_submit_accepted(sb.ctl, 0, T_READ, 0, T_PAGE, 0);
	refused(line, id);
	refused(line_of(flags, "--anew", backend), "in use");
	T_TRUE(!io->done, "a read of what is lost: expected it to wait, found it ended");
	T_EQ(t_counters(sb.ctl).ab_nr_queued, 1);
	now = store_id();
	T_TRUE(!strcmp(id, now), "store_id: expected %s, found %s", id, now);

	/* Whoever wants the page does not get another instead. */
	T_OK(t_attr_set("fail", T_ABUSE, 0, "no_server"));
	T_EQ(t_result(io), -EIO);
	T_OK(t_attr_set("wait", T_ABUSE, 0, "no_server"));
	T_UNTIL(!t_counters(sb.ctl).ab_nr_opens);
	refused(line, id);
	/* The test itself may not count as one that serves. */
	t_ctl_close(sb.ctl);
	sb = sb_start("", line_of(flags, "--anew", backend), nr_standbys);
	now = store_id();
	T_TRUE(strcmp(id, now), "store_id of another store: expected not %s, found it",
	       id);
	T_EQ(t_result(t_submit(0, T_WRITE, 0, T_PAGE, 0)), T_PAGE);
	T_UNTIL(!t_counters(sb.ctl).ab_nr_opens);
	sb_end(&sb);
	T_OK(t_ioctl(sb.ctl, ABUSE_RESET, NULL));
	t_ctl_close(sb.ctl);
}

int main(void)
{
	size_t i;

	t_init(110);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		lost(rows[i].flags, rows[i].backend, rows[i].nr_standbys);
	return t_end();
}
