// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill a server over a disk while a read waits: a server over
 * another disk, or none, ends with status 3 and changes nothing; one over the
 * same disk, by another name, is lent the read and answers it.  id= names a
 * store by hand, --anew takes an idle device from its store.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * time: 90
 * busted: env=T_TWIN=no-store-id
 * invariant: I14
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "b.h"

#define OTHER_NAME	"/tmp/store-by-another-name"
#define BY_HAND		"0123456789abcdef00000000000000ff"

static int ctl;

static char *line_of(const char *arguments)
{
	char *line;

	T_OK(asprintf(&line, "%s %s",
		      t_twin("no-store-id") ? "--no-store-id" : "", arguments));
	return line;
}

static struct t_swapserver begin(const char *arguments)
{
	return t_swapserver_start(line_of(arguments));
}

static char *store_id(void)
{
	return strdup(t_attr(T_ABUSE, 0, "store_id"));
}

static void id_is(const char *want, bool same)
{
	char *id = store_id();

	T_TRUE(t_twin("no-store-id") ||
	       (strlen(id) == 32 && !strcmp(id, want) == same),
	       "store_id: expected %s%s, found \"%s\"", same ? "" : "not ",
	       want, id);
	free(id);
}

static void refused(const char *arguments, int want, const char *says)
{
	struct t_swapserver s = t_swapserver_run(line_of(arguments));
	char *said;
	int status;

	T_UNTIL(t_ended(s.pid) || t_swapserver_ready(&s));
	T_TRUE(t_ended(s.pid), "swapserver %s: expected it refused, found that it serves",
	       arguments);
	status = t_reap(s.pid);
	said = strdup(t_read_text("%s", s.errors));
	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == want,
	       "swapserver %s: expected status %d, found 0x%x: %s", arguments,
	       want, status, said);
	T_TRUE(strstr(said, says) && strchr(said, '\n') == strrchr(said, '\n'),
	       "swapserver %s: expected one line with \"%s\", found: %s",
	       arguments, says, said);
	free(said);
}

/* The read waits, and nobody who came has changed the device. */
static void as_before(const struct t_io *io, const char *id)
{
	struct abuse_info info;

	T_TRUE(!io->done, "a read of another store: expected it to wait, found it ended");
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_size, 4 * T_MIB);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	id_is(id, true);
}

static void other_disk(void)
{
	struct t_swapserver s;
	struct stat st;
	struct t_io *io;
	char *id;

	s = begin("--size 4M /dev/abctl0 disk,path=" T_STORE);
	id = store_id();
	printf("%s is %s\n", T_STORE, id);
	b_write(0, T_MIB, 1);
	b_kill(&s);
	io = t_submit_accepted(ctl, 0, T_READ, 0, T_PAGE, 0);
	refused("--size 4M /dev/abctl0 disk,path=" T_STORE1, 3, id);
	/* It could grow the device, were it the right one. */
	refused("--size 8M /dev/abctl0 disk,path=" T_STORE1, 3, id);
	refused("--size 4M --standby 1 /dev/abctl0 disk,path=" T_STORE1, 3, id);
	refused("--size 4M /dev/abctl0 ram", 3, "new and empty");
	refused("--anew --size 4M /dev/abctl0 ram", 3, "in use");
	as_before(io, id);

	unlink(OTHER_NAME);
	T_OK(T_RET(stat(T_STORE, &st)));
	T_OK(T_RET(mknod(OTHER_NAME, S_IFBLK | 0600, st.st_rdev)));
	s = begin("--size 4M /dev/abctl0 disk,path=" OTHER_NAME);
	T_EQ(t_result(io), T_PAGE);
	t_stamp_check(io->data, 0, T_PAGE, 1);
	id_is(id, true);
	b_stop(&s, ctl);

	/* Another disk, and another place of the same one. */
	s = begin("--size 4M /dev/abctl0 disk,path=" T_STORE1);
	id_is(id, false);
	b_stop(&s, ctl);
	s = begin("--size 4M /dev/abctl0 forward,offset=4M,path=" T_STORE);
	id_is(id, false);
	b_stop(&s, ctl);
	s = begin("--size 4M /dev/abctl0 forward,path=" T_STORE);
	id_is(id, true);
	b_check(0, T_MIB, 1);
	b_stop(&s, ctl);
	unlink(OTHER_NAME);
}

static void by_hand(void)
{
	struct t_swapserver s;
	char *id;

	refused("--size 4M /dev/abctl0 disk,id=1234,path=" T_STORE, 1,
		"not 32 hexadecimal digits");
	s = begin("--size 4M /dev/abctl0 disk,id=" BY_HAND ",path=" T_STORE);
	id_is(BY_HAND, true);
	b_kill(&s);
	refused("--size 4M /dev/abctl0 disk,path=" T_STORE, 3, BY_HAND);
	s = begin("--size 4M /dev/abctl0 disk,id=" BY_HAND ",path=" T_STORE);
	b_check(0, T_MIB, 1);
	/* Served, if idle. */
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	refused("--anew --size 4M /dev/abctl0 ram", 3, "served");
	b_kill(&s);
	/* Who has reset a device counts as one that serves it. */
	t_ctl_close(ctl);
	ctl = t_ctl_open(0);
	s = begin("--anew --size 4M /dev/abctl0 ram");
	id = store_id();
	id_is(BY_HAND, false);
	T_EQ(b_is_zero(0, T_PAGE), true);
	b_kill(&s);
	/* Bound to nothing, and live: that is another's, too. */
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	s = t_swapserver_start("--no-store-id --size 4M /dev/abctl0 ram");
	T_TRUE(!*t_attr(T_ABUSE, 0, "store_id"), "store_id with --no-store-id: expected none, found %s",
	       t_attr(T_ABUSE, 0, "store_id"));
	b_kill(&s);
	refused("--size 4M /dev/abctl0 ram", 3, "bound to no store");
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	free(id);
}

int main(void)
{
	t_init(80);
	/* Left behind by a twin that ended before this test began. */
	umount2(B_MNT, 0);
	ctl = t_ctl_open(0);
	other_disk();
	by_hand();
	return t_end();
}
