// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_servers.c - several servers with one store, each of another make
 *
 * Where it stands: bio > queue > ioctl > [server > store].  All wait for
 * requests at the same time; when one dies the others go on.  Server 0 takes
 * one request at a time, 1 a batch, 2 takes them in a thread that ends and
 * answers them in another, 3 is one of 2009.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "race.h"

#define PF_EXITING	0x4ul
#define BATCH		8
#define BOUNCE_BYTES	(2u * T_MIB)

static int ctl;
static int slow_fd;
static char *bounce;

static void on_timer(int sig)
{
	(void)sig;
}

/* So that no wait goes on past the end of the round. */
static void start_timer(void)
{
	struct sigaction action = { .sa_handler = on_timer };
	struct itimerval often = { { 0, 50000 }, { 0, 50000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

void race_claims_clear(void)
{
	memset((void *)race->claims, 0, sizeof(race->claims));
}

/*
 * Has every thread of a process come so far that it cannot write any more?
 * Its requests are passed on no sooner (I13).
 */
static bool is_gone(pid_t pid)
{
	struct dirent *entry;
	bool gone = true;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		unsigned long flags = PF_EXITING;
		const char *p;

		if (entry->d_name[0] == '.')
			continue;
		p = strrchr(t_read_text("%s/%s/stat", path, entry->d_name),
			    ')');
		if (p)
			sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags);
		gone &= !!(flags & PF_EXITING);
	}
	if (dir)
		closedir(dir);
	return gone;
}

/* The blocks of a request are this process's now, and nobody else's. */
static void claim(uint64_t offset_bytes, uint32_t len_bytes)
{
	uint64_t block = offset_bytes / T_PAGE;
	uint64_t end = (offset_bytes + len_bytes + T_PAGE - 1) / T_PAGE;

	RACE_EXPECT(end <= RACE_BLOCKS,
		    "a lend: expected a range within the device, found block %llu",
		    (unsigned long long)end);
	for (; block < end && block < RACE_BLOCKS; block++) {
		pid_t owner = __atomic_exchange_n(&race->claims[block],
						  getpid(), __ATOMIC_SEQ_CST);

		RACE_EXPECT(!owner || owner == getpid() || is_gone(owner),
			    "block %llu is lent to process %d: expected it to be nobody else's, found that process %d has it and lives",
			    (unsigned long long)block, getpid(), owner);
	}
}

static void release(uint64_t offset_bytes, uint32_t len_bytes)
{
	uint64_t block = offset_bytes / T_PAGE;
	uint64_t end = (offset_bytes + len_bytes + T_PAGE - 1) / T_PAGE;

	for (; block < end && block < RACE_BLOCKS; block++)
		race->claims[block] = 0;
}

static void must(int ret, const char *what, const struct abuse_lent *l)
{
	RACE_EXPECT(!ret, "%s of id 0x%llx, sector %llu, %u bytes: expected 0, found %s",
		    what, (unsigned long long)l->ab_id,
		    (unsigned long long)l->ab_sector, l->ab_len_bytes,
		    t_name(ret));
}

/*
 * A write to a store that takes its time: the process cannot be killed while
 * it is on its way, and what it was lent is nobody else's so long (I13).
 */
static void write_slowly(uint32_t index, uint64_t offset)
{
	race_count(nr_slow, 1);
	race->writes_slowly = index + 1;
	(void)!pwrite(slow_fd, bounce, T_PAGE,
		      (off_t)(offset % RACE_SLOW_BYTES));
	race->writes_slowly = 0;
}

static void serve_one(const struct abuse_lent *l)
{
	uint64_t offset = l->ab_sector * 512;
	bool write = l->ab_command == ABUSE_WRITE;

	if (l->ab_command <= ABUSE_WRITE)
		must(t_verb(ctl, write ? ABUSE_VERB_COPY_OUT :
			    ABUSE_VERB_COPY_IN, l->ab_id, race->store + offset,
			    0, l->ab_len_bytes), "a copy", l);
	else if (l->ab_command != ABUSE_SYNC_NOTIFICATION)
		memset(race->store + offset, 0, l->ab_len_bytes);
	/* Before it is answered: then the next may come at once. */
	release(offset, l->ab_len_bytes);
	must(t_complete(ctl, l->ab_id), "COMPLETE", l);
}

static int lend(struct abuse_lent *lent, uint32_t max, uint32_t flags)
{
	int nr = t_serve(ctl, NULL, 0, lent, max, flags, NULL), i;

	RACE_EXPECT(nr >= 0 || nr == -EINTR,
		    "SERVE: expected requests, found %s", t_name(nr));
	for (i = 0; i < nr; i++) {
		claim(lent[i].ab_sector * 512, lent[i].ab_len_bytes);
		if (lent[i].ab_flags & ABUSE_LENT_AGAIN)
			race_count(nr_takeovers, 1);
	}
	return nr;
}

struct hand_over {
	struct abuse_lent lent[BATCH];
	int nr;
};

/* The timer's signals are for the thread that waits. */
static void mask_timer(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

static void *lend_and_end(void *arg)
{
	struct hand_over *h = arg;

	mask_timer(SIG_UNBLOCK);
	h->nr = lend(h->lent, BATCH, 0);
	return NULL;
}

/* The thread that was lent them is gone when they are answered. */
static int lend_by_thread(struct abuse_lent *lent)
{
	struct hand_over h = { .nr = 0 };
	pthread_t thread;

	if (pthread_create(&thread, NULL, lend_and_end, &h))
		return 0;
	pthread_join(thread, NULL);
	memcpy(lent, h.lent, sizeof(h.lent));
	return h.nr;
}

/* As in 2009: the data of a WRITE comes with the answer, is stored after it. */
static void legacy_one(void)
{
	static struct abuse_vec vecs[T_VECS];
	struct pollfd p = { .fd = ctl, .events = POLLMSG };
	struct abuse_xfr_hdr xfr;
	uint32_t bytes = 0;
	uint64_t offset;
	int ret = t_get(ctl, &xfr, vecs);

	if (ret == -ENOMSG) {
		poll(&p, 1, 50);
		return;
	}
	RACE_EXPECT(!ret, "GET: expected 0, found %s", t_name(ret));
	if (ret)
		return;
	offset = xfr.ab_sector * 512;
	if (xfr.ab_command <= ABUSE_WRITE)
		bytes = t_vecs_point(vecs, xfr.ab_vec_count, bounce);
	claim(offset, bytes);
	if (xfr.ab_command == ABUSE_READ) {
		memcpy(bounce, race->store + offset, bytes);
		release(offset, bytes);
	}
	ret = t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
	RACE_EXPECT(!ret, "PUT: expected 0, found %s", t_name(ret));
	if (xfr.ab_command == ABUSE_WRITE) {
		memcpy(race->store + offset, bounce, bytes);
		release(offset, bytes);
	}
}

/*
 * A child that has the control file, too, and outlives the server: what the
 * server had must not wait for it.
 */
static void start_bystander(void)
{
	pid_t pid = fork();

	if (pid)
		return;
	while (!race->stop_servers)
		race_sleep_us(10000);
	_exit(0);
}

void race_server(struct t_rand *r, uint32_t index)
{
	struct abuse_lent lent[BATCH];
	int nr, i;

	ctl = t_ctl_open(RACE_DATA);
	bounce = mmap(NULL, BOUNCE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* It may serve the swap: nothing of it may be swapped. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		T_FAIL("mlockall: %s", strerror(errno));
	if (index % 4 == 2)
		mask_timer(SIG_BLOCK);
	if (t_one_in(r, 4))
		start_bystander();
	/* After it: nobody waits for a bystander, and the slow store must be idle at the end. */
	slow_fd = t_blk_open(RACE_SLOW, O_RDWR | O_DIRECT);
	T_OK(slow_fd);
	start_timer();
	while (!race->stop_servers) {
		if (index % 4 == 3) {
			legacy_one();
			continue;
		}
		nr = index % 4 == 2 ? lend_by_thread(lent) :
		     lend(lent, index % 4 == 0 ? 1 : BATCH, 0);
		/* Here it is killed and stopped with something in its hands. */
		if (nr > 0 && t_one_in(r, 8)) {
			race->in_hands[index] = nr;
			race_sleep_us(t_below(r, 10000));
			race->in_hands[index] = 0;
		}
		if (nr > 0 && t_one_in(r, 32))
			write_slowly(index, lent[0].ab_sector * 512);
		for (i = 0; i < nr; i++)
			serve_one(&lent[i]);
	}
	/* A WRITE that was PUT is done when its thread comes back. */
	if (index % 4 == 3)
		poll(&(struct pollfd){ .fd = ctl }, 1, 0);
}

/* The slow store: another device, whose server waits before it answers. */
void race_slow_store(struct t_rand *r, uint32_t index)
{
	struct abuse_lent lent[4];
	int nr, i;

	(void)index;
	ctl = t_ctl_open(RACE_SLOW);
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		T_FAIL("mlockall: %s", strerror(errno));
	while (!race->stop_slow) {
		nr = t_serve(ctl, NULL, 0, lent, 4, ABUSE_SERVE_NOWAIT, NULL);
		if (nr > 0)
			race_sleep_us(t_below(r, t_one_in(r, 4) ? 200000 :
					      3000));
		else
			race_sleep_us(1000);
		for (i = 0; i < nr; i++)
			t_answer(ctl, &lent[i]);
	}
}
