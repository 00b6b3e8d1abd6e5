// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will start servers over backends that cannot work, or that are not
 * safe: each says in one line why, ends with status 1, and leaves the device
 * as it was, for the one that comes next.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * time: 90
 * busted: env=T_UNSAFE=,unsafe=1
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "b.h"

static const struct {
	const char *spec;
	const char *says;	/* part of its one line */
} table[] = {
	{ "file,path=" B_MNT "/file", "a file system allocates memory" },
	{ "file,unsafe=1,path=" B_MNT "/holes", "has a hole" },
	{ "file,unsafe=1,path=" T_STORE, "is not a file" },
	{ "file,unsafe=1", "which one?" },
	{ "forward,path=" B_MNT "/file", "nothing keeps the blocks" },
	{ "forward,path=" T_STORE1, "mounted or otherwise in use" },
	{ "forward,path=" T_STORE ",offset=513", "not a multiple" },
	{ "forward,path=" T_STORE ",offset=1G", "not within it" },
	{ "forward,path=" T_STORE ",offset=63M", "give a smaller --size" },
	{ "forward,path=/dev/loop0", "loop, nbd" },
	{ "disk,path=" T_STORE1, "mounted or otherwise in use" },
	{ "disk,path=" B_MNT "/file", "files can deadlock" },
	{ "disk,pth=" T_STORE, "no option \"pth=/dev/store\"" },
	{ "disk,path=" T_STORE ",discard=yes", "not a number" },
	{ "bar,path=" B_MNT "/file", "no resource of a PCI device" },
	{ "bar", "which one?" },
	{ "lz4,store=1X", "not a number" },
	{ "lz4,store=1024G", "too large; give less" },
	{ "lz4,store=64G", "give a smaller --size" },
	{ "fault", "around which backend?" },
	{ "fault:fault:ram", "not around itself" },
	{ "fault,die=soon:ram", "before or after" },
	{ "fault,only=reading:ram", "one of read, write" },
	{ "fault,error=eperm:ram", "one of eio" },
	{ "fault,sleep=1:ram", "no option \"sleep=1\"" },
	{ "fault:nonsense", "no backend \"nonsense\"" },
};

static void refused(const char *spec, const char *says, int ctl)
{
	const char *unsafe = getenv("T_UNSAFE");
	struct abuse_info info;
	struct t_swapserver s;
	char arguments[300], *said;
	int status;

	snprintf(arguments, sizeof(arguments), "--size 4M /dev/abctl0 %s%s",
		 spec, unsafe && strstr(spec, "path=" B_MNT "/file") &&
		 spec[0] == 'f' && spec[1] == 'i' ? unsafe : "");
	s = t_swapserver_run(arguments);
	T_UNTIL(t_ended(s.pid) || t_swapserver_ready(&s));
	T_TRUE(t_ended(s.pid), "%s: expected a refusal, found that it serves",
	       spec);
	status = t_reap(s.pid);
	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	       "%s: expected status 1, found 0x%x", spec, status);
	said = strdup(t_read_text("%s", s.errors));
	T_TRUE(strstr(said, says) && strchr(said, '\n') == strrchr(said, '\n'),
	       "%s: expected one line with \"%s\", found: %s", spec, says,
	       said);
	free(said);
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_size, 0);
	T_EQ(t_counters(ctl).ab_nr_backings, 0);
}

int main(void)
{
	static char data[4 * T_MIB];
	size_t i;
	int ctl, fd;

	t_init(80);
	ctl = t_ctl_open(0);
	b_mount(T_STORE1);
	fd = T_OK(T_RET(open(B_MNT "/file", O_RDWR | O_CREAT, 0600)));
	memset(data, 1, sizeof(data));
	T_EQ(write(fd, data, sizeof(data)), sizeof(data));
	T_OK(T_RET(fsync(fd)));
	close(fd);
	fd = T_OK(T_RET(open(B_MNT "/holes", O_RDWR | O_CREAT, 0600)));
	T_OK(T_RET(ftruncate(fd, sizeof(data))));
	close(fd);
	t_modprobe("loop", "");
	T_RUN("/bin/busybox", "losetup", "/dev/loop0", T_STORE);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		refused(table[i].spec, table[i].says, ctl);
	T_RUN("/bin/busybox", "losetup", "-d", "/dev/loop0");
	b_umount();
	return t_end();
}
