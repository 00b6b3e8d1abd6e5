// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will look at the nodes as the module makes them: root's alone,
 * those of devices that are added later, too.  An ordinary user opens none,
 * until given it (as owner, by group, by ACL); with it, he may do what the
 * header allows him, and what wants CAP_SYS_RESOURCE is EPERM, also to root of
 * a user namespace, and through a file that root has opened.
 *
 * Where it stands: [open] > ioctl > queue.
 *
 * time: 60
 * busted: env=T_TWIN=open-nodes
 * busted: env=T_TWIN=keeps-resource
 * busted: module=scope-ignored
 * invariant: I8
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sec.h"
#include "t_block.h"

#define CONTROL "/dev/abuse-control"
#define DEVICES 8
#define OWN_FOLDER "/tmp/own"
#define PF_MEMALLOC 0x00000800ul

static int added; /* number of the device that this test adds */

/* In a process of SEC_UID with these capabilities. */
static void as_user(uint64_t caps, void (*act)(int ctl), int ctl)
{
	pid_t pid = t_fork(true);

	if (!pid) {
		if (t_twin("keeps-resource"))
			caps |= SEC_CAP(CAP_SYS_RESOURCE);
		sec_become(caps);
		act(ctl);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

/* ------------------------------------------------------------------ nodes */

static int opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void is_roots(const char *path, mode_t type)
{
	struct stat st;

	T_OK(T_RET(lstat(path, &st)));
	T_TRUE(st.st_mode == (type | 0600) && !st.st_uid && !st.st_gid,
	       "%s: expected mode 0%o of root, found mode 0%o of %u:%u", path,
	       type | 0600, st.st_mode, st.st_uid, st.st_gid);
}

static void cannot_open(const char *path)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR };
	size_t i;
	int err;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		err = opens(path, flags[i]);
		T_TRUE(err == -EACCES,
		       "%s, flags %d, by an ordinary user: expected -EACCES, found %s",
		       path, flags[i], t_name(err));
	}
}

static void each_node(void (*act)(const char *path, mode_t type))
{
	char path[32];
	int i, number;

	for (i = 0; i <= DEVICES; i++) {
		number = i < DEVICES ? i : added;
		snprintf(path, sizeof(path), "/dev/abctl%d", number);
		act(path, S_IFCHR);
		snprintf(path, sizeof(path), "/dev/abuse%d", number);
		act(path, S_IFBLK);
	}
	act(CONTROL, S_IFCHR);
}

static void closed_to_user(const char *path, mode_t type)
{
	(void)type;
	cannot_open(path);
}

static void open_to_all(const char *path, mode_t type)
{
	(void)type;
	T_OK(T_RET(chmod(path, 0666)));
}

static void no_write(const char *path)
{
	T_TRUE(access(path, W_OK),
	       "%s: expected an ordinary user not to write it, found that he may",
	       path);
}

static void user_sees_nothing(int unused)
{
	(void)unused;
	each_node(closed_to_user);
	/* Nor can he make nodes of his own, where he may make files. */
	T_OK(T_RET(mknod(OWN_FOLDER "/file", S_IFREG | 0600, 0)));
	T_EQ(T_RET(mknod(OWN_FOLDER "/node", S_IFCHR | 0600,
			 makedev(ABUSECTL_MAJOR, 0))),
	     -EPERM);
	sec_walk("/sys/block/abuse0", no_write);
	sec_walk("/sys/module/abuse", no_write);
	T_EQ(opens("/sys/kernel/debug/abuse", O_RDONLY), -EACCES);
	T_EQ(opens("/sys/kernel/debug/abuse/abuse0/requests", O_RDONLY),
	     -EACCES);
}

/* ------------------------------------------------------------ permissions */

/* An ACL as user space hands it over: version 2, little endian. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[5];
};
#define ACL_NAME "system.posix_acl_access"
#define ACL_NOBODY UINT32_MAX

static int give_by_acl(const char *path)
{
	const struct acl acl = {
		.version = 2,
		.entries = {
			{ 0x01, 6, ACL_NOBODY },	/* its owner */
			{ 0x02, 6, SEC_UID },
			{ 0x04, 0, ACL_NOBODY },	/* its group */
			{ 0x10, 6, ACL_NOBODY },	/* the most, of both */
			{ 0x20, 0, ACL_NOBODY },	/* others */
		},
	};

	return T_RET(setxattr(path, ACL_NAME, &acl, sizeof(acl), 0));
}

static void can_open_ctl0(int unused)
{
	(void)unused;
	T_OK(opens("/dev/abctl0", O_RDWR));
	/* This one, and no other. */
	cannot_open("/dev/abctl1");
	cannot_open("/dev/abuse0");
	cannot_open(CONTROL);
}

static void cannot_open_ctl0(int unused)
{
	(void)unused;
	cannot_open("/dev/abctl0");
}

static void permissions(void)
{
	const char *ctl0 = "/dev/abctl0";
	int err;

	T_OK(T_RET(chown(ctl0, SEC_UID, 0)));
	as_user(0, can_open_ctl0, -1);
	T_OK(T_RET(chown(ctl0, 0, 0)));
	as_user(0, cannot_open_ctl0, -1);

	/* As the udev rule does. */
	T_OK(T_RET(chown(ctl0, 0, SEC_UID)));
	as_user(0, cannot_open_ctl0, -1);
	T_OK(T_RET(chmod(ctl0, 0660)));
	as_user(0, can_open_ctl0, -1);
	T_OK(T_RET(chown(ctl0, 0, 0)));
	T_OK(T_RET(chmod(ctl0, 0600)));

	err = give_by_acl(ctl0);
	if (err == -EOPNOTSUPP) {
		puts("no ACLs here: devtmpfs is a ramfs");
		return;
	}
	T_OK(err);
	as_user(0, can_open_ctl0, -1);
	T_OK(T_RET(removexattr(ctl0, ACL_NAME)));
	T_OK(T_RET(chmod(ctl0, 0600)));
	as_user(0, cannot_open_ctl0, -1);
}

/* ----------------------------------------------------------------- ioctls */

/* Every scope for device and thread: the result must be this. */
static void set_scopes(int ctl, int want)
{
	static const uint32_t scopes[] = { ABUSE_SCOPE_MEMALLOC,
					   ABUSE_SCOPE_NOIO, ABUSE_SCOPE_NONE };
	struct abuse_scope s;
	size_t i;
	int err;

	for (i = 0; i < 2 * sizeof(scopes) / sizeof(scopes[0]); i++) {
		s.ab_target = i & 1 ? ABUSE_SCOPE_THREAD : ABUSE_SCOPE_DEVICE;
		s.ab_scope = scopes[i / 2];
		err = t_ioctl(ctl, ABUSE_SET_SCOPE, &s);
		T_TRUE(err == want,
		       "SET_SCOPE, target %u, scope %u: expected %s, found %s",
		       s.ab_target, s.ab_scope, t_name(want), t_name(err));
		if (s.ab_target == ABUSE_SCOPE_THREAD)
			T_EQ(!!(t_flags(0) & PF_MEMALLOC),
			     !want && s.ab_scope == ABUSE_SCOPE_MEMALLOC);
	}
}

/* All that the header names no capability for. */
static void user_may(int unused)
{
	struct abuse_poll poll = { .ab_events = ABUSE_POLL_MSG,
				   .ab_threshold = 1 };
	struct abuse_store store = { .ab_id = "a store",
				     .ab_flags = ABUSE_STORE_BIND };
	struct abuse_scope scope = { .ab_target = ABUSE_SCOPE_DEVICE };
	struct abuse_info info;
	struct abuse_lent lent;
	int ctl = t_ctl_open(0);

	(void)unused;
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	t_configure(ctl, T_MIB, 4, 0);
	T_OK(t_ioctl(ctl, ABUSE_SET_POLL, &poll));
	T_OK(t_ioctl(ctl, ABUSE_SET_STORE, &store));
	T_OK(t_ioctl(ctl, ABUSE_GET_SCOPE, &scope));
	T_EQ(scope.ab_scope, ABUSE_SCOPE_NONE);
	T_EQ(t_counters(ctl).ab_accepted, t_counters(ctl).ab_ended);
	T_EQ(t_lend(ctl, &lent, 1), 0);
	/* A disk to forward to he has to open by himself. */
	T_EQ(opens("/dev/store", O_RDWR), -EACCES);
	set_scopes(ctl, -EPERM);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_ctl_close(ctl);
}

static void scope_is_refused(int ctl)
{
	set_scopes(ctl, -EPERM);
}

static void scope_is_set(int ctl)
{
	set_scopes(ctl, 0);
}

/* All capabilities, but over a namespace of his own. */
static void refused_to_namespace(int ctl)
{
	int err = T_RET(unshare(CLONE_NEWUSER));

	if (err) {
		printf("no user namespaces here (%s)\n", t_name(err));
		fflush(stdout);
		return;
	}
	T_TRUE(sec_task_of(getpid()).effective & SEC_CAP(CAP_SYS_RESOURCE),
	       "root of a namespace: expected CAP_SYS_RESOURCE, found none");
	set_scopes(ctl, -EPERM);
}

/* The node's permission is all that these ask for. */
static void control_needs_nothing(int control)
{
	struct abuse_ctl ctl = { .ab_number = -1 };
	uint32_t numbers[ABUSE_NR_LIMIT];
	struct abuse_ctl_list list = { .ab_numbers = (uintptr_t)numbers,
				       .ab_nr = ABUSE_NR_LIMIT };

	T_OK(t_ioctl(control, ABUSE_CTL_LIST, &list));
	T_EQ(list.ab_nr, DEVICES + 1);
	T_OK(t_ioctl(control, ABUSE_CTL_ADD, &ctl));
	T_OK(t_ioctl(control, ABUSE_CTL_REMOVE, &ctl));
}

static void ioctls(void)
{
	uint64_t all = sec_caps_all(), one = SEC_CAP(CAP_SYS_RESOURCE);
	int control = T_OK(T_RET(open(CONTROL, O_RDWR | O_CLOEXEC)));
	int ctl = t_ctl_open(0);

	T_OK(T_RET(chown("/dev/abctl0", SEC_UID, 0)));
	as_user(0, user_may, -1);
	T_OK(T_RET(chown("/dev/abctl0", 0, 0)));

	/* Through a file that root has opened. */
	as_user(0, scope_is_refused, ctl);
	as_user(all & ~one, scope_is_refused, ctl);
	as_user(0, refused_to_namespace, ctl);
	as_user(one, scope_is_set, ctl);
	as_user(0, control_needs_nothing, control);
	close(control);
	t_ctl_close(ctl);
}

int main(void)
{
	t_init(55);
	umask(0); /* it must not be ours that closes the nodes */
	added = T_OK(t_control(ABUSE_CTL_ADD, -1));
	T_EQ(added, DEVICES);
	each_node(is_roots);
	if (t_twin("open-nodes"))
		each_node(open_to_all);
	T_OK(T_RET(mkdir(OWN_FOLDER, 0700)));
	T_OK(T_RET(chown(OWN_FOLDER, SEC_UID, SEC_UID)));
	as_user(0, user_sees_nothing, -1);
	permissions();
	ioctls();
	T_OK(t_control(ABUSE_CTL_REMOVE, added));
	return t_end();
}
