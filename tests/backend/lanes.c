// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will queue distant pages while the server is stopped: the disk then
 * has as many writes at once as the server has lanes, and one more; each lane
 * has the server's protections; and a server that is killed with all of them on
 * their way has its requests passed on only when the last of them has ended.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * time: 120
 * busted: env=SERVER_FLAGS=--lanes=0
 * busted: module=pass-at-signal
 * invariant: I13
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b.h"

#define NR		8
#define LANES		3
#define APART		(32 * T_PAGE)	/* too far to be joined */
#define SLOW_MS		2000
/* PF_MEMALLOC, PF_MEMALLOC_NOIO, PF_LOCAL_THROTTLE: scope and flusher. */
#define PROTECTIONS	0x00180800UL
#define HELD_BACK_MS	3000

static int ctl;

static struct t_swapserver start(const char *disk)
{
	char arguments[100];

	setenv("SERVER_FLAGS", "--lanes=3", 0);
	snprintf(arguments, sizeof(arguments),
		 "--size 4M /dev/abctl0 disk,path=%s", disk);
	return t_swapserver_start(arguments);
}

static void submit(const struct t_swapserver *s, struct t_io *ios[], int nr)
{
	int i;

	t_kill(s->pid, SIGSTOP);
	T_UNTIL(t_state(s->pid) == 'T');
	for (i = 0; i < nr; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * APART, T_PAGE,
					   0);
	t_kill(s->pid, SIGCONT);
}

static const char *line_of(const char *status, const char *key)
{
	const char *p = strstr(status, key);

	T_TRUE(p, "status of a thread: expected a line %s, found none", key);
	return p + strlen(key);
}

static void all_protected(pid_t pid)
{
	char path[40], text[64];
	struct dirent *entry;
	int nr = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	T_TRUE(tasks, "%s: %s", path, strerror(errno));
	while ((entry = readdir(tasks))) {
		const char *status;

		if (entry->d_name[0] == '.')
			continue;
		nr++;
		T_EQ(t_flags(atoi(entry->d_name)) & PROTECTIONS, PROTECTIONS);
		status = t_read_text("%s/%s/status", path, entry->d_name);
		snprintf(text, sizeof(text), "%.1s %.16s",
			 line_of(status, "\nSeccomp:\t"),
			 line_of(status, "\nCapPrm:\t"));
		T_TRUE(!strcmp(text, "2 0000000000000000"),
		       "a thread's seccomp mode and capabilities: expected 2 and none, found %s",
		       text);
	}
	closedir(tasks);
	T_EQ(nr, LANES + 1);
}

static void at_once(void)
{
	struct t_swapserver s;
	struct t_io *ios[NR];
	int i;

	t_scsi_load("");
	s = start(t_scsi_path(0));
	t_scsi_delay(SLOW_MS);
	submit(&s, ios, NR);
	T_UNTIL(t_disk_inflight(t_scsi_path(0)) == LANES + 1);
	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	all_protected(s.pid);
	t_scsi_delay(0);
	for (i = 0; i < NR; i++)
		b_check(i * APART, T_PAGE, 1);
	b_stop(&s, ctl);
	t_scsi_unload();
}

static void killed(void)
{
	const char *slow = t_dm_delay_writes("lanes", T_STORE, HELD_BACK_MS);
	struct t_swapserver s = start(slow);
	struct t_io *ios[LANES + 1];
	int i;

	submit(&s, ios, LANES + 1);
	T_UNTIL(t_dm_held_back("lanes") == LANES + 1);
	T_OK(T_RET(kill(s.pid, SIGKILL)));
	T_UNTIL(t_counters(ctl).ab_requeued == LANES + 1);
	T_EQ(t_dm_held_back("lanes"), 0);
	t_reap(s.pid);
	s = start(slow);
	for (i = 0; i <= LANES; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	b_stop(&s, ctl);
	t_dm_remove("lanes");
}

int main(void)
{
	t_init(115);
	ctl = t_ctl_open(0);
	at_once();
	killed();
	return t_end();
}
