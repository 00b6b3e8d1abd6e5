// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will load the module with parameters that are out of range, or
 * with majors that somebody has: it is refused, and leaves nothing behind; and
 * with majors of its own: they are those of all nodes.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * The module that the runner has loaded goes first, and comes back last.
 *
 * time: 40
 * busted: module=any-parameter
 * busted: module=fixed-major
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "t_block.h"

/* Kept free for local use, by Documentation/admin-guide/devices.txt. */
#define MAJOR		120
#define CTL_MAJOR	121

static char busted[60];		/* what this module breaks, or "" */

/* 0 or -errno of init_module(2). */
static int load(const char *parameters)
{
	char text[200];
	int fd, err;

	fd = T_OK(T_RET(open(*busted ? "/lib/abuse/abuse-busted.ko" :
			     "/lib/abuse/abuse.ko", O_RDONLY | O_CLOEXEC)));
	snprintf(text, sizeof(text), "%s%s%s", parameters,
		 *busted ? " busted=" : "", busted);
	err = T_RET(syscall(SYS_finit_module, fd, text, 0));
	close(fd);
	return err;
}

static void unload(void)
{
	/* A moment: what opened a node may still be on its way out. */
	T_UNTIL(!syscall(SYS_delete_module, "abuse", O_NONBLOCK));
}

static bool at_least(unsigned int major, unsigned int minor)
{
	struct utsname name;
	unsigned int is[2];

	T_OK(T_RET(uname(&name)));
	T_EQ(sscanf(name.release, "%u.%u", &is[0], &is[1]), 2);
	return is[0] > major || (is[0] == major && is[1] >= minor);
}

/* A line of /proc/devices: whose is the major? */
static bool has_major(unsigned int major)
{
	char line[40];

	snprintf(line, sizeof(line), "\n%3u abuse\n", major);
	return strstr(t_read_text("/proc/devices"), line);
}

static void nothing_left(const char *parameters)
{
	static const char * const paths[] = {
		"/sys/module/abuse", "/sys/class/abuse", "/sys/block/abuse0",
		"/sys/kernel/debug/abuse", "/dev/abuse-control", "/dev/abuse0",
		"/dev/abctl0",
	};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		T_TRUE(access(paths[i], F_OK),
		       "%s: expected nothing left, found %s", parameters,
		       paths[i]);
	T_TRUE(!strstr(t_read_text("/proc/devices"), " abuse\n"),
	       "%s: expected no major left, found one", parameters);
}

static void refused(const char *parameters, int want)
{
	int err = load(parameters);

	T_TRUE(err == want, "%s: expected %s, found %s", parameters,
	       t_name(want), t_name(err));
	nothing_left(parameters);
}

static void node_is(const char *path, unsigned int major, unsigned int minor)
{
	struct stat st;

	T_OK(T_RET(stat(path, &st)));
	T_TRUE(major(st.st_rdev) == major && minor(st.st_rdev) == minor,
	       "%s: expected %u:%u, found %u:%u", path, major, minor,
	       major(st.st_rdev), minor(st.st_rdev));
}

static void own_majors(void)
{
	unsigned int major, minor;
	struct abuse_info info;
	struct abuse_lent lent;
	struct t_io *io;
	int ctl;

	T_OK(load("major=120 ctl_major=121 max_abuse=2"));
	T_TRUE(has_major(MAJOR) && has_major(CTL_MAJOR),
	       "majors %d and %d: expected in /proc/devices, found %s", MAJOR,
	       CTL_MAJOR, t_read_text("/proc/devices"));
	T_TRUE(t_devt("/sys/block/abuse1", &major, &minor) &&
	       major == MAJOR && minor == 1,
	       "abuse1: expected %d:1, found %u:%u", MAJOR, major, minor);
	T_TRUE(t_devt("/sys/class/abuse/abctl1", &major, &minor) &&
	       major == CTL_MAJOR && minor == 1,
	       "abctl1: expected %d:1, found %u:%u", CTL_MAJOR, major, minor);
	node_is("/dev/abuse1", MAJOR, 1);
	node_is("/dev/abctl1", CTL_MAJOR, 1);

	/* They lead to the device, and it works. */
	ctl = t_ctl_open(1);
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_device, makedev(MAJOR, 1));
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	io = t_submit_accepted(ctl, 1, T_READ, 0, T_PAGE, 0);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_ctl_close(ctl);
}

int main(void)
{
	t_init(35);
	if (!access("/sys/module/abuse/parameters/busted", R_OK))
		snprintf(busted, sizeof(busted), "%s",
			 t_attr("/sys/module/abuse/parameters/busted"));
	unload();
	nothing_left("rmmod");
	refused("max_part=256", -EINVAL);
	refused("max_abuse=1025", -EINVAL);
	refused("max_abuse=-1", -EINVAL);
	/* Before 6.11 ours does not ask for it. */
	if (!at_least(6, 11))
		refused("synchronous=1", -EOPNOTSUPP);
	/* Of the kernel's own: extended minors; mem, null and so on. */
	refused("major=259", -EBUSY);
	refused("ctl_major=1", -EBUSY);
	own_majors();
	unload();
	nothing_left("rmmod");
	/* For the runner. */
	T_OK(load(""));
	return t_end();
}
