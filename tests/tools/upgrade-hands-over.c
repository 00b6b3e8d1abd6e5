// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have abusectl upgrade a supervisor that is this test's own
 * program: the new one is started with the arguments, environment, folder,
 * cgroup and standard error of the old one and --upgrade, once, without --anew,
 * whose store holds pages by now; abusectl waits
 * until it is in office and the old one gone; and one that does not start,
 * ends, or never comes into office leaves the old one as it was.
 *
 * Where it stands: [abusectl] > supervisor; nothing is served.
 *
 * time: 60
 * busted: env=T_TWIN=old-stays
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"
#include "tool.h"

#define FOLDER "/tmp/upgrade"
#define CGROUP "/sys/fs/cgroup/upgrade"

/* ------------------------------------------ what a supervisor does of that */

static struct board *shared_board(void)
{
	int fd = open(BOARD_DIR "/abuse0.board", O_RDWR | O_CLOEXEC);
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
			       MAP_SHARED, fd, 0);

	if (b == MAP_FAILED)
		_exit(10);
	return b;
}

/* supervisor --anew /dev/abctl0 disk, perhaps with --upgrade somewhere. */
static int supervisor(int argc, char **argv)
{
	struct board *b = shared_board();
	const char *how = getenv("HOW");
	char cwd[64];
	int i, nr = 0, slot = 0;
	bool anew = false;

	for (i = 1; i < argc; i++) {
		nr += !strcmp(argv[i], "--upgrade");
		anew |= !strcmp(argv[i], "--anew");
	}
	if (!how || strcmp(how, "as ever") || nr > 1 || (nr && anew) || argv[0][0] != '@' ||
	    !getcwd(cwd, sizeof(cwd)) || strcmp(cwd, FOLDER) ||
	    !strstr(t_read_text("/proc/self/cgroup"), "0::/upgrade"))
		_exit(11);
	if (nr && !access("ends", F_OK))
		_exit(3);
	fprintf(stderr, "supervisor %d\n", getpid());
	while (nr && !access("waits", F_OK))
		pause();
	if (nr) {
		b->crew++;
		slot = 1;
	}
	tool_slot(b, slot, getpid(), BOARD_ACTIVE);
	b->slots[slot].crew = b->crew;
	sprintf(b->slots[slot].version, "7.%d", slot);
	b->supervisor = getpid();
	while (b->supervisor == getpid() || t_twin("old-stays"))
		usleep(1000);
	/* As one does that has handed over. */
	return 0;
}

static pid_t old_start(void)
{
	char *const argv[] = { (char *)"@swapserver", (char *)"supervisor",
			       (char *)"--anew", (char *)"/dev/abctl0",
			       (char *)"disk", NULL };
	pid_t pid = t_fork(false);
	int fd;

	if (pid)
		return pid;
	fd = open(CGROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1 || chdir(FOLDER))
		_exit(12);
	fd = open("errors", O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(13);
	setenv("HOW", "as ever", 1);
	execv("/proc/self/exe", argv);
	_exit(14);
}

/* ------------------------------------------------------------------- test */

static void refused(struct board *b, pid_t old, const char *binary,
		    const char *says)
{
	tool_has(tool_want(1, "upgrade 0 --timeout 3 --binary %s", binary)->err,
		 says);
	T_EQ(b->supervisor, old);
	T_TRUE(!t_ended(old),
	       "an upgrade that failed: expected the old supervisor, found it ended");
}

static void touch(const char *path)
{
	close(T_OK(T_RET(open(path, O_WRONLY | O_CREAT, 0644))));
}

int main(int argc, char **argv)
{
	char self[200], want[100];
	struct board *b;
	pid_t old, new;
	ssize_t len;

	if (argc > 2)
		return supervisor(argc, argv);
	t_init(55);
	len = T_OK(T_RET(readlink("/proc/self/exe", self, sizeof(self) - 1)));
	self[len] = '\0';
	mkdir(FOLDER, 0755);
	T_OK(T_RET(mkdir(CGROUP, 0755)));
	tool_want(2, "upgrade 0");
	tool_want(1, "upgrade 0 --binary %s", self); /* no board */
	b = tool_board();
	old = old_start();
	T_UNTIL(t_ended(old) || b->supervisor == old);
	T_TRUE(!t_ended(old), "the test's own supervisor ended");

	refused(b, old, "/bin/no-such-program", "No such file");
	touch("/tmp/no-program");
	chmod("/tmp/no-program", 0755);
	refused(b, old, "/tmp/no-program", "Exec format error");
	unlink("/tmp/no-program");
	touch(FOLDER "/ends");
	refused(b, old, self, "ended with status 3; the old one goes on");
	unlink(FOLDER "/ends");
	touch(FOLDER "/waits");
	refused(b, old, self, "not in office after 3 s");
	unlink(FOLDER "/waits");

	snprintf(want, sizeof(want), "/dev/abuse0: 7.0 (%d) > 7.1 (", old);
	tool_has(tool_want(0, "upgrade 0 --timeout 5 --binary %s", self)->out,
		 want);
	T_EQ(t_reap(old), 0);
	new = b->supervisor;
	T_TRUE(new != old && !kill(new, 0),
	       "expected a new supervisor, found %d", new);
	/* It says so where the old one did. */
	snprintf(want, sizeof(want), "supervisor %d\n", new);
	tool_has(t_read_text(FOLDER "/errors"), want);
	/* And from one that came by an upgrade to the next. */
	tool_want(0, "upgrade 0 --binary %s", self);
	T_TRUE(b->supervisor != new,
	       "expected a third supervisor, found the second");
	new = b->supervisor;
	kill(new, SIGKILL);
	T_UNTIL(kill(new, 0));
	tool_board_end(b);
	unlink(FOLDER "/errors");
	rmdir(FOLDER);
	T_UNTIL(!rmdir(CGROUP) || errno == ENOENT);
	return t_end();
}
