// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will serve from a file: nobody who serves has the reserve scope,
 * although it is on for all else and the spawner passes it on; the device has
 * it not either, the status line and abusectl say that it is off, and a server
 * that is asked for it refuses.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * time: 90
 * busted: env=T_SPEC=disk,path=/dev/store
 * invariant: I8
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "b.h"

#define FILE_SPEC	"file,unsafe=1,path=" B_MNT "/file"
#define PF_MEMALLOC	0x800ul

static const char *const specs[] = {
	FILE_SPEC,
	FILE_SPEC ",direct=0",
	"fault,only=flush:" FILE_SPEC,
};

static int ctl;

/* All that have presented the store, and not we, who only configure. */
static int servers_without(void)
{
	char text[4096], *line, *save = NULL;
	int nr = 0;

	snprintf(text, sizeof(text), "%s",
		 t_read_text("/sys/block/abuse0/abuse/servers"));
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (atoi(line) == getpid())
			continue;
		T_TRUE(!(t_flags(atoi(line)) & PF_MEMALLOC),
		       "server %d: expected no PF_MEMALLOC, found flags 0x%lx",
		       atoi(line), t_flags(atoi(line)));
		nr++;
	}
	return nr;
}

static void one(const char *spec, const char *flags, int nr_servers)
{
	struct t_swapserver s;
	char line[200];

	snprintf(line, sizeof(line), "--size 4M %s /dev/abctl0 %s", flags,
		 spec);
	printf("%s\n", line);
	s = t_swapserver_start(line);
	b_write(0, T_MIB, 1);
	b_check(0, T_MIB, 1);
	T_EQ(b_io(T_FSYNC, 0, 0), 0);
	T_UNTIL(servers_without() == nr_servers);
	T_TRUE(!strcmp(t_attr(T_ABUSE, 0, "scope"), "none"),
	       "scope of the device: expected none, found %s",
	       t_attr(T_ABUSE, 0, "scope"));
	T_TRUE(strstr(t_read_text("%s", s.status), "\"scope\":false"),
	       "the status line: expected \"scope\":false, found %s",
	       t_read_text("%s", s.status));
	T_RUN("/bin/busybox", "sh", "-c",
	      "/bin/abusectl status 0 | grep -q '^    scope    off'");
	b_stop(&s, ctl);
}

static void asked_for(const char *spec)
{
	struct t_swapserver s;
	char line[200], *said;
	int status;

	snprintf(line, sizeof(line), "--scope --size 4M /dev/abctl0 %s", spec);
	s = t_swapserver_run(line);
	T_UNTIL(t_ended(s.pid) || t_swapserver_ready(&s));
	T_TRUE(t_ended(s.pid), "%s: expected it refused, found that it serves",
	       line);
	status = t_reap(s.pid);
	said = strdup(t_read_text("%s", s.errors));
	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2 &&
	       strstr(said, "leave --scope out") &&
	       strchr(said, '\n') == strrchr(said, '\n'),
	       "%s: expected status 2 and one line with \"leave --scope out\", found 0x%x: %s",
	       line, status, said);
	free(said);
}

static void make_file(void)
{
	static char data[4 * T_MIB];
	int fd;

	b_mount(T_STORE1);
	fd = T_OK(T_RET(open(B_MNT "/file", O_RDWR | O_CREAT, 0600)));
	memset(data, 1, sizeof(data));
	T_EQ(write(fd, data, sizeof(data)), sizeof(data));
	T_OK(T_RET(fsync(fd)));
	close(fd);
}

int main(void)
{
	size_t i;

	t_init(80);
	mkdir("/run", 0755);
	ctl = t_ctl_open(0);
	if (getenv("T_SPEC")) {
		one(getenv("T_SPEC"), "", 1);
		return t_end();
	}
	make_file();
	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		asked_for(specs[i]);
		one(specs[i], "", 1);
	}
	one(FILE_SPEC, "--standby 1", 2);
	/* What an earlier server left on the device is taken away. */
	T_EQ(t_ioctl(ctl, ABUSE_SET_SCOPE,
		     (&(struct abuse_scope){ ABUSE_SCOPE_DEVICE,
					     ABUSE_SCOPE_MEMALLOC })), 0);
	one(FILE_SPEC, "", 1);
	b_umount();
	return t_end();
}
