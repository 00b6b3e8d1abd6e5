// SPDX-License-Identifier: GPL-2.0-only
/*
 * spawner.c - the process that can start a server when there is no memory
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * The spawner has PF_MEMALLOC, which fork and exec pass on (I8): a server that
 * it starts gets the memory that it needs to become ready from the reserves,
 * where any other new process would wait for reclaim, and reclaim for it.
 *
 * The flag is not to leak: the spawner starts one program only, ours, from a
 * sealed copy in locked memory (no file system is asked, not even for an
 * access time); it has no_new_privs; and it runs nothing else.  Of
 * capabilities it keeps, and passes on, those that a server needs to take its
 * protections.
 *
 * Its children are children of the supervisor (CLONE_PARENT), which so knows
 * their pids not to be reused, and learns how they ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "caps.h"
#include "patience.h"
#include "pinned.h"
#include "spawner.h"

/* For a child that does nothing but exec. */
#define SPAWNER_STACK_BYTES	(64 * 1024)
/* How often the supervisor looks whether a spawner that starts still lives. */
#define SPAWNER_LOOK_NS		100000000

static struct {
	struct spawner_mail *mail;
	struct inherited in;
	int program_fd;
	char **argv;
	char inherit[80];
	pid_t supervisor;
	char stack[SPAWNER_STACK_BYTES] __attribute__((aligned(16)));
} me;

static void futex_wait(_Atomic uint32_t *word, uint32_t value,
		       const struct timespec *limit)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, limit, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int fail(const char *what)
{
	fprintf(stderr, "swapserver: spawner: %s: %s\n", what,
		strerror(errno));
	return -1;
}

/* "@swapserver", --inherit, and what our own command line had. */
static int make_arguments(const struct options *o)
{
	int i;

	me.argv = calloc((size_t)o->argc + 2, sizeof(*me.argv));
	if (!me.argv)
		return fail("arguments");
	/* systemd's last killing spree spares what begins with an @. */
	me.argv[0] = "@swapserver";
	me.argv[1] = me.inherit;
	for (i = 1; i < o->argc; i++)
		me.argv[i + 1] = o->argv[i];
	return 0;
}

/* ----------------------------------------------------------- the process */

static int hand_down(int fd)
{
	return fd < 0 ? 0 : fcntl(fd, F_SETFD, 0);
}

/* Locked, then given the scope: what comes before is ordinary. */
static int protect(const struct options *o, struct server *s)
{
	struct protections prot = o->protections;
	unsigned int scope = ABUSE_SCOPE_NONE;
	int err, has;

	if (protect_apply(&prot, PROTECT_MASK_COMMON, s))
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail("no_new_privs");
	err = abuse_set_scope(&s->client, ABUSE_SCOPE_THREAD,
			       ABUSE_SCOPE_MEMALLOC);
	if (!err)
		err = abuse_get_scope(&s->client, ABUSE_SCOPE_THREAD, &scope);
	has = protect_has_memalloc();
	if (err || scope != ABUSE_SCOPE_MEMALLOC || has <= 0) {
		fprintf(stderr,
			"swapserver: spawner: the reserve scope did not take: %s; needs CAP_SYS_RESOURCE: run as root\n",
			err ? strerror(-err) : has < 0 ? strerror(-has) :
			"the task flags are without it");
		return -1;
	}
	close(s->client.fd);
	/* What its servers take their protections with, and nothing else. */
	err = prot.p[PROTECT_CAPS].wanted ?
	      caps_keep(caps_to_protect, CAPS_TO_PROTECT, true) : 0;
	if (err)
		fprintf(stderr, "swapserver: spawner: caps: %s\n",
			strerror(-err));
	return err;
}

/* In the child, which shares our memory until it has its own: exec only. */
static int child(void *unused)
{
	char *const environment[] = { NULL };

	(void)unused;
	syscall(SYS_execveat, me.program_fd, "", me.argv, environment,
		AT_EMPTY_PATH);
	_exit(EXIT_FAILED);
}

static int spawn(int slot)
{
	int pid;

	me.in.slot = slot;
	inherited_write(me.inherit, sizeof(me.inherit), &me.in);
	/* CLONE_VM: no page table is copied, none of ours write-protected. */
	pid = clone(child, me.stack + sizeof(me.stack),
		    CLONE_VM | CLONE_VFORK | CLONE_PARENT | SIGCHLD, NULL);
	return pid < 0 ? -errno : pid;
}

static void __attribute__((noreturn)) loop(void)
{
	uint32_t asked;

	for (;;) {
		asked = me.mail->asked;
		if (asked == me.mail->answered) {
			futex_wait(&me.mail->asked, asked, NULL);
			continue;
		}
		me.mail->pid = spawn(me.mail->slot);
		me.mail->answered = asked;
		/* It sleeps until a child tells it something. */
		kill(me.supervisor, SIGCHLD);
	}
}

static int run(const struct options *o, struct server *s, struct board *board,
	       unsigned int crew, pid_t supervisor)
{
	int err;

	me.supervisor = supervisor;
	prctl(PR_SET_NAME, "abuse-spawner");
	/* Nobody could ask it for anything any more. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != supervisor)
		return EXIT_FAILED;
	err = turn_init();
	if (err)
		return EXIT_FAILED;
	me.program_fd = pinned_program();
	if (me.program_fd < 0 || make_arguments(o) ||
	    hand_down(me.in.board_fd) || hand_down(me.in.status_fd) ||
	    hand_down(me.in.store_fd) || hand_down(me.in.memory_fd) ||
	    protect(o, s))
		return EXIT_FAILED;
	turn_try(&board->office[crew & 1].spawner);
	me.mail->ready = 1;
	futex_wake(&me.mail->ready);
	loop();
}

/* --------------------------------------------------- the supervisor's side */

int spawner_start(struct spawner *sp, const struct options *o,
		  struct server *s, struct board *board, unsigned int crew,
		  const struct inherited *in)
{
	const struct timespec limit = { .tv_nsec = SPAWNER_LOOK_NS };
	pid_t supervisor = getpid();

	sp->mail = mmap(NULL, sizeof(*sp->mail), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sp->mail == MAP_FAILED)
		return fail("mmap");
	me.mail = sp->mail;
	me.in = *in;
	/* An upgrade does so under pressure: a task is four pages in a row. */
	do {
		sp->pid = fork();
	} while (sp->pid < 0 && (errno == EAGAIN || errno == ENOMEM) &&
		 patience(PATIENCE_TASK));
	if (sp->pid < 0)
		return fail("fork");
	if (!sp->pid)
		_exit(run(o, s, board, crew, supervisor));
	while (!sp->mail->ready) {
		siginfo_t info = { 0 };

		if (!waitid(P_PID, (id_t)sp->pid, &info, WEXITED | WNOHANG) &&
		    info.si_pid)
			return -1;	/* it has said why */
		futex_wait(&sp->mail->ready, 0, &limit);
	}
	return 0;
}

void spawner_ask(struct spawner *sp, int slot)
{
	sp->mail->slot = slot;
	sp->pending = true;
	sp->mail->asked++;
	futex_wake(&sp->mail->asked);
}

int spawner_answer(struct spawner *sp, int *slot)
{
	if (!sp->pending || sp->mail->answered != sp->mail->asked)
		return 0;
	sp->pending = false;
	*slot = sp->mail->slot;
	return sp->mail->pid;
}
