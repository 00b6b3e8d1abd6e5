// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will run udev's daemon with the rule of module/udev: a disk that
 * is bound to a store has a name by that store's id, so have its partitions,
 * whatever its number; a disk that is not has none; and the group disk may
 * open the control nodes.
 *
 * Where it stands: [udev], beside bio > queue > ioctl > server.
 *
 * time: 60
 * module-args: max_part=15
 * busted: env=T_TWIN=no-rule
 * busted: module=no-uevent
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t_block.h"
#include "t_part.h"

#define SIZE	T_MIB
#define NAME	"/dev/disk/by-id/abuse-f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define GID_DISK 6

extern const char rule[], rule_end[];
__asm__(".section .rodata\n"
	".globl rule, rule_end\n"
	"rule: .incbin \"module/udev/60-abuse.rules\"\n"
	"rule_end:\n"
	".previous\n");

static const struct abuse_info info = {
	.ab_size = SIZE,
	.ab_blocksize = 512,
	.ab_max_queue = 8,
};
static uint8_t id[16];

static void file_write(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	T_OK(T_RET(fd));
	T_EQ(T_RET(write(fd, text, len)), len);
	close(fd);
}

static pid_t udev_start(void)
{
	static const char groups[] = "root:x:0:\ndisk:x:6:\n";
	pid_t pid;
	int fd;

	file_write("/etc/group", groups, sizeof(groups) - 1);
	mkdir("/etc/udev", 0755);
	mkdir("/etc/udev/rules.d", 0755);
	/* Of a test before this one in the same guest. */
	unlink("/etc/udev/rules.d/60-abuse.rules");
	unlink("/run/udev/control");
	if (!t_twin("no-rule"))
		file_write("/etc/udev/rules.d/60-abuse.rules", rule,
			   rule_end - rule);
	pid = t_fork(false);
	if (!pid) {
		fd = open("/tmp/udevd.log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execl("/bin/systemd-udevd", "systemd-udevd", (char *)NULL);
		_exit(127);
	}
	T_UNTIL(!access("/run/udev/control", F_OK) || t_ended(pid));
	T_TRUE(!t_ended(pid), "udevd: expected to run, found it ended: %s",
	       t_read_text("/tmp/udevd.log"));
	T_RUN("/bin/udevadm", "control", "--ping");
	return pid;
}

static bool leads_to(const char *name, const char *target)
{
	char found[100] = "";

	return readlink(name, found, sizeof(found) - 1) > 0 &&
	       !strcmp(found, target);
}

/* All events so far have been dealt with. */
static void settle(void)
{
	T_RUN("/bin/udevadm", "settle", "--timeout=10");
}

/* The device with this number has the store: it is its name that leads to it. */
static void bound_is(int number)
{
	struct abuse_store bind = { .ab_flags = ABUSE_STORE_BIND };
	struct t_store store = t_store_make(SIZE);
	struct t_log *log = t_log_make();
	int ctl = t_ctl_open(number);
	char target[30];
	pid_t server;

	t_part_mbr(store.memory, 0, 64, 128);
	memcpy(bind.ab_id, id, sizeof(id));
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	T_OK(t_ioctl(ctl, ABUSE_SET_STORE, &bind));
	server = t_recorder_start_bound(number, &store, log, id);
	snprintf(target, sizeof(target), "../../abuse%d", number);
	T_UNTIL(leads_to(NAME, target));
	snprintf(target, sizeof(target), "../../abuse%dp1", number);
	T_UNTIL(leads_to(NAME "-part1", target));
	settle();
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_kill(server, SIGKILL);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));

	/* Another configuration, without a store: the name is not its. */
	memset(store.memory, 0, 512);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_recorder_start(number, &store, log);
	T_UNTIL(access(NAME, F_OK) && access(NAME "-part1", F_OK));
	settle();
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_kill(server, SIGKILL);
	t_ctl_close(ctl);
}

static void group_is(int number)
{
	struct stat st;
	char path[30];

	snprintf(path, sizeof(path), "/dev/abctl%d", number);
	T_EQ(t_control(ABUSE_CTL_ADD, number), number);
	settle();
	T_OK(T_RET(stat(path, &st)));
	T_EQ(st.st_gid, GID_DISK);
	T_EQ(st.st_mode & 0777, 0660);
	/* Who makes and removes devices is root alone. */
	T_OK(T_RET(stat("/dev/abuse-control", &st)));
	T_EQ(st.st_gid, 0);
	T_EQ(st.st_mode & 0777, 0600);
}

int main(void)
{
	pid_t udevd;
	int i;

	t_init(55);
	for (i = 0; i < 16; i++)
		id[i] = 0xf0 + i;
	udevd = udev_start();
	group_is(20);
	bound_is(20);
	bound_is(0);
	T_OK(t_control(ABUSE_CTL_REMOVE, 20));
	settle();
	t_kill(udevd, SIGTERM);
	t_reap(udevd);
	return t_end();
}
