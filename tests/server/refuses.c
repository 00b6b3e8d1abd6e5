// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will start swapserver in each way that cannot work: it says in one
 * line what is wrong, ends with the status that its manual gives (2 for wrong
 * usage, 1 for the rest; 3, another store, is backend/store-id's), and does not
 * serve.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * time: 90
 * busted: env=SERVER_FLAGS=--no-mlock
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

static const struct {
	const char *arguments;
	int status;
	const char *says;	/* part of its one line */
} table[] = {
	{ "", 2, "see swapserver --help" },
	{ "/dev/abctl0", 2, "see swapserver --help" },
	{ "/dev/abctl0 ram extra", 2, "see swapserver --help" },
	{ "--unknown /dev/abctl0 ram", 2, "unknown" },
	{ "--no-such /dev/abctl0 ram", 2, "no-such" },
	{ "--size 4X /dev/abctl0 ram", 2, "not a size: 4X" },
	{ "--size 0 /dev/abctl0 ram", 2, "not a size: 0" },
	{ "--size -1 /dev/abctl0 ram", 2, "not a size: -1" },
	{ "--size 99999999999G /dev/abctl0 ram", 2, "not a size" },
	{ "--batch 0 --size 4M /dev/abctl0 ram", 2, "not a batch: 0" },
	{ "--batch 65 --size 4M /dev/abctl0 ram", 2, "not a batch: 65" },
	{ "--queue 4097 --size 4M /dev/abctl0 ram", 2, "not a queue bound" },
	{ "--blocksize 8192 --size 4M /dev/abctl0 ram", 2, "not a block size" },
	{ "--anew --upgrade --standby 1 --size 4M /dev/abctl0 ram", 2,
	  "gives the old store up" },
	{ "--scope --size 4M /dev/abctl0 file,path=x", 2, "leave --scope out" },
	{ "--size 4M /dev/abctl999 ram", 1, "is the module loaded" },
	{ "--size 4M /dev/null ram", 1, "is it an abctl node" },
	{ "--size 4M /dev/abctl0 nonsense", 1, "nonsense" },
	{ "/dev/abctl0 ram", 1, "how large? give --size" },
	{ "--size 4M /dev/abctl0 disk", 1, "disk,path=" },
	{ "--size 4M /dev/abctl0 disk,path=/dev/none", 1, "/dev/none" },
	{ "--size 4M /dev/abctl0 disk,path=/dev/null", 1, "no block device" },
	{ "--size 4M /dev/abctl0 disk,path=/tmp/file", 1, "no block device" },
	{ "--size 1G /dev/abctl0 disk,path=/dev/store", 1,
	  "give a smaller --size" },
	{ "--size 1024G /dev/abctl0 ram", 1, "give a smaller --size" },
	{ "--size 5K --blocksize 4096 /dev/abctl0 ram", 1, "must fit" },
	{ "--blocksize 1000 --size 4M /dev/abctl0 ram", 1, "must fit" },
	{ "--status /nowhere/x --size 4M /dev/abctl0 ram", 1, "/nowhere/x" },
};

static void judge(struct t_swapserver *s, const char *what, int want,
		  const char *says)
{
	const char *text;
	int status;

	T_UNTIL(t_ended(s->pid) || t_swapserver_ready(s));
	T_TRUE(t_ended(s->pid), "swapserver %s: expected to be refused, found it serving",
	       what);
	status = t_reap(s->pid);
	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == want,
	       "swapserver %s: expected exit status %d, found 0x%x", what, want,
	       status);
	text = t_read_text("%s", s->errors);
	T_TRUE(strstr(text, says), "swapserver %s: expected a message with \"%s\", found \"%s\"",
	       what, says, text);
	/* getopt itself speaks of unknown options. */
	T_TRUE(!strncmp(text, "swapserver: ", 12), "swapserver %s: expected \"swapserver: ...\", found \"%s\"",
	       what, text);
}

static void capability_drop(int which)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2];

	T_OK(syscall(SYS_capget, &header, caps));
	caps[which / 32].effective &= ~(1u << which % 32);
	caps[which / 32].permitted &= ~(1u << which % 32);
	caps[which / 32].inheritable = 0;
	T_OK(syscall(SYS_capset, &header, caps));
}

/*
 * As one who is not allowed to: exec as root would give the capability back,
 * so it goes from the bounding set, too.
 */
static void without(int which, const char *what, const char *says)
{
	char line[200];
	const char *flags = getenv("SERVER_FLAGS");
	struct t_swapserver *s = t_shared(sizeof(*s));
	struct t_swapserver copy;
	pid_t pid;

	snprintf(line, sizeof(line), "%s --size 4M /dev/abctl0 ram",
		 flags ? flags : "");
	pid = t_fork(false);
	if (!pid) {
		const struct rlimit limit = { 65536, 65536 };

		T_OK(syscall(SYS_prctl, 24 /* PR_CAPBSET_DROP */, which, 0, 0,
			     0));
		T_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
		capability_drop(which);
		copy = t_swapserver_run(line);
		judge(&copy, what, 1, says);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

/*
 * A server that did not start leaves nothing behind that waits for a server:
 * whoever opens the device and reads it, udev for one, would hang.
 */
static void has_no_capacity(void)
{
	int blk = t_blk_open(0, O_RDONLY);
	uint64_t bytes = 1;

	T_OK(blk);
	T_OK(t_ioctl(blk, BLKGETSIZE64, &bytes));
	T_EQ(bytes, 0);
	close(blk);
}

int main(void)
{
	struct t_swapserver s;
	size_t i;
	FILE *f;

	t_init(80);
	mkdir("/tmp", 0777);
	f = fopen("/tmp/file", "w");
	T_TRUE(f, "/tmp/file: expected to make it");
	fclose(f);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		s = t_swapserver_run(table[i].arguments);
		judge(&s, table[i].arguments, table[i].status, table[i].says);
	}
	has_no_capacity();

	without(CAP_IPC_LOCK, "without CAP_IPC_LOCK, 64 KiB lockable",
		"RLIMIT_MEMLOCK is 65536 bytes");
	without(CAP_SYS_NICE, "without CAP_SYS_NICE", "sched: ");
	without(CAP_SYS_RESOURCE, "without CAP_SYS_RESOURCE", "run as root");

	has_no_capacity();
	s = t_swapserver_run("--help");
	T_UNTIL(t_ended(s.pid));
	T_EQ(t_reap(s.pid), 0);
	return t_end();
}
