// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill and stop the servers of a device in use, again and
 * again, while others open, close, reset, configure, add, remove and unload,
 * and see that every write that was acknowledged is read back, that no request
 * is two servers' at once, and that all that was accepted ends once.
 *
 * Where it stands: [races] > /dev/abctlN, /dev/abuseN > module.
 *
 *     abuse-race [--seconds N] [--seed S]
 *
 * or T_SECONDS and T_SEED in the environment.  The seed decides what each
 * process does, and whether a round swaps on the device; the scheduler, how
 * that mixes.
 *
 * time: 120
 * busted: module=lose-on-release
 * busted: module=accept-stale
 * busted: module=requeue-copying
 * busted: module=short-copy
 * busted: module=reset-in-use
 * busted: module=release-only
 * busted: module=pass-when-stopped
 * busted: module=unowned
 * invariant: I1 I3 I4 I10 I13
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "race.h"

#define DEFAULT_SECONDS	20
#define ROUND_MS	4000
#define DISTURB_MIN	20
/* One more round may begin in the last second, and take its time. */
#define END_S		80
#define USERS_MAX	16

struct race *race;

static long limit_s = DEFAULT_SECONDS;
static pid_t servers[RACE_SERVERS];
static uint64_t starts;		/* of servers: each has numbers of its own */

void race_sleep_us(uint32_t us)
{
	const struct timespec time = { us / 1000000, us % 1000000 * 1000l };

	nanosleep(&time, NULL);
}

void race_finding(const char *format, ...)
{
	char text[500];
	va_list args;

	if (__atomic_fetch_add(&race->nr_findings, 1, __ATOMIC_RELAXED) > 10)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "finding: round %u: %s\n", race->round, text);
}

pid_t race_start(race_part *part, uint32_t index)
{
	uint64_t start = starts++;
	pid_t pid = t_fork(false);
	struct t_rand r = t_rand_of(race->seed, race->round, start);

	if (pid)
		return pid;
	part(&r, index);
	_exit(0);
}

/* ------------------------------------------------------------- servers */

static void server_start(uint32_t i)
{
	race->in_hands[i] = 0;
	servers[i] = race_start(race_server, i);
}

static void servers_start(int ctl)
{
	uint32_t i;

	race_claims_clear();
	race->stop_servers = false;
	for (i = 0; i < RACE_SERVERS; i++)
		server_start(i);
	t_server_await(ctl, RACE_SERVERS);
}

/* Waits for its end, and judges it. */
static void reap(pid_t pid, const char *who)
{
	long began = t_now_ms();
	int status;

	while (!t_ended(pid) && t_now_ms() - began < t_patience_ms())
		race_sleep_us(1000);
	if (!t_ended(pid))
		T_FAIL("%s, process %d: expected its end within %ld ms, found it in state %c:\n%s",
		       who, pid, t_patience_ms(), t_state(pid),
		       t_read_text("/proc/%d/stack", pid));
	status = t_reap(pid);
	RACE_EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL :
		    !WEXITSTATUS(status),
		    "%s: expected a good end, found %s %d", who,
		    WIFSIGNALED(status) ? "signal" : "exit status",
		    WIFSIGNALED(status) ? WTERMSIG(status) :
					  WEXITSTATUS(status));
}

/*
 * Which server is to be disturbed: best one in the middle of a write that
 * cannot be killed; every other time one that sleeps with a request in its
 * hands, so that it does not depend on the speed of the machine how many do.
 */
static uint32_t choose(struct t_rand *r)
{
	uint32_t i = t_below(r, RACE_SERVERS), n;
	bool has_some = t_one_in(r, 2);
	long began_ms = t_now_ms();

	do {
		if (race->writes_slowly)
			return race->writes_slowly - 1;
		for (n = 0; has_some && n < RACE_SERVERS; n++)
			if (race->in_hands[(i + n) % RACE_SERVERS])
				return (i + n) % RACE_SERVERS;
		race_sleep_us(100);
	} while (has_some && t_now_ms() - began_ms < 50);
	return i;
}

/* One of them dies, or stands still for a while; a new one takes its place. */
static void disturb_servers(struct t_rand *r)
{
	uint32_t i = choose(r), us = t_below(r, 20000);

	if (t_one_in(r, 2))	/* longer than the module's timer takes */
		us += 60000;

	switch (t_below(r, 4)) {
	case 0:
		kill(servers[i], SIGSTOP);
		race_sleep_us(us);
		/* It may be killed where it stands. */
		if (us % 4 == 0)
			break;
		kill(servers[i], SIGCONT);
		race_count(nr_stops, 1);
		return;
	case 1:		/* all but one */
		for (i = 1; i < RACE_SERVERS; i++)
			kill(servers[i], SIGKILL);
		for (i = 1; i < RACE_SERVERS; i++) {
			reap(servers[i], "a server");
			server_start(i);
		}
		race_count(nr_kills, RACE_SERVERS - 1);
		return;
	}
	kill(servers[i], SIGKILL);
	/* Not at once: others take over what it had. */
	race_sleep_us(us / 4);
	reap(servers[i], "a server");
	race->writes_slowly = 0;
	server_start(i);
	race_count(nr_kills, 1);
}

static void servers_stop(void)
{
	uint32_t i;

	race->stop_servers = true;
	for (i = 0; i < RACE_SERVERS; i++) {
		kill(servers[i], SIGCONT);
		reap(servers[i], "a server");
	}
}

/* --------------------------------------------------------------- rounds */

static pid_t users[USERS_MAX];
static const char *user_names[USERS_MAX];
static uint32_t nr_users;

static void user(const char *name, race_part *part, uint32_t index)
{
	user_names[nr_users] = name;
	users[nr_users++] = race_start(part, index);
}

static void users_start(bool swap)
{
	uint32_t i;

	race->stop = false;
	race->stop_spare = false;
	nr_users = 0;
	for (i = 0; i < 3; i++)
		user(swap ? "a swapper" : "a submitter",
		     swap ? race_swapper : race_submitter, i);
	for (i = 0; i < 2; i++)
		user("an opener", race_opener, i);
	user("a late server", race_late, 0);
	user("the configurator", race_configurator, 0);
	for (i = 0; i < 2; i++)
		user("who adds or removes", race_devices, i);
	/* Last: the server there is waited for last. */
	for (i = 0; i < 3; i++)
		user("who has the spare device", race_spare, i);
}

static void users_stop(void)
{
	uint32_t i;

	race->stop = true;
	for (i = 0; i < nr_users; i++) {
		race->stop_spare = i == nr_users - 1;
		reap(users[i], user_names[i]);
	}
}

/* The spare device's I/O has ended with its users; nobody serves any more. */
static void balance(int number)
{
	int ctl = t_ctl_open(number), ret;
	struct abuse_counters c;

	/*
	 * A submitter that was killed is reaped before its file is closed: who
	 * ends its last bio leaves the close to a worker (I15).  A close that
	 * never comes is the finding: this waits in vain.
	 */
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	c = t_counters(ctl);
	race->nr_bios += c.ab_accepted;
	RACE_EXPECT(c.ab_accepted == c.ab_ended && !c.ab_nr_lent &&
		    !c.ab_nr_queued && !c.ab_nr_waiting && !c.ab_nr_aside &&
		    !c.ab_nr_forwarded && !c.ab_nr_servers && !c.ab_nr_opens &&
		    c.ab_nr_free == c.ab_nr_slots,
		    "device %d at the round's end: expected accepted = ended and nobody there, found %llu, %llu, %u LENT, %u QUEUED, %u waiting, %u ASIDE, %u servers, %u opens, %u of %u slots free",
		    number, c.ab_accepted, c.ab_ended, c.ab_nr_lent,
		    c.ab_nr_queued, c.ab_nr_waiting, c.ab_nr_aside,
		    c.ab_nr_servers, c.ab_nr_opens, c.ab_nr_free,
		    c.ab_nr_slots);
	RACE_EXPECT(number != RACE_DATA || !c.ab_ended_error,
		    "device %d: expected no errors, found %llu", number,
		    c.ab_ended_error);
	ret = t_ioctl(ctl, ABUSE_RESET, NULL);
	RACE_EXPECT(!ret || (number != RACE_DATA && ret == -EINVAL),
		    "RESET of device %d at the round's end: expected 0, found %s",
		    number, t_name(ret));
	t_ctl_close(ctl);
}

/* What must be refused while the device is in use. */
static void unload_in_use(void)
{
	int ret = T_RET(syscall(SYS_delete_module, "abuse", O_NONBLOCK));

	race_count(nr_unloads_busy, 1);
	RACE_EXPECT(ret == -EWOULDBLOCK || ret == -EBUSY,
		    "unloading the module in use: expected -EAGAIN, found %s",
		    t_name(ret));
}

static void no_owner_limit(void)
{
	int fd = open("/sys/block/abuse0/abuse/max_owners", O_WRONLY);

	/* Servers die here more often than a request may outlive. */
	T_OK(T_RET(write(fd, "0", 1)));
	close(fd);
}

/* A store for servers that is slow: see write_slowly(). */
static pid_t slow_start(void)
{
	int ctl = t_ctl_open(RACE_SLOW);
	pid_t pid;

	t_configure(ctl, RACE_SLOW_BYTES, 0, 0);
	t_go_live(ctl);
	race->stop_slow = false;
	pid = race_start(race_slow_store, 0);
	t_ctl_close(ctl);
	return pid;
}

/* Some seconds, but on a slow kernel longer, so that there is a race. */
static bool round_is_over(long ms, uint32_t nr_disturbed)
{
	return ms > (nr_disturbed < DISTURB_MIN ? 4 * ROUND_MS : ROUND_MS);
}

static void run_round(struct t_rand *r)
{
	bool swap = t_one_in(r, 2);
	int ctl = t_ctl_open(RACE_DATA), hold;
	uint32_t nr = 0, i;
	long began_ms;
	pid_t slow;

	memset(race->store, 0, RACE_BYTES);
	for (i = 0; i < RACE_BLOCKS; i++)
		race->generation[i] = 0;
	t_configure(ctl, RACE_BYTES, RACE_BOUND, ABUSE_FLAGS_WRITE_CACHE |
		    ABUSE_FLAGS_DISCARD | ABUSE_FLAGS_WRITE_ZEROES);
	no_owner_limit();
	slow = slow_start();
	servers_start(ctl);
	/* In use from here on, whoever comes and goes. */
	if (swap) {
		t_mkswap(RACE_DATA);
		T_OK(t_swapon(RACE_DATA));
	}
	hold = t_blk_open(RACE_DATA, O_RDONLY);
	T_OK(hold);
	users_start(swap);
	/* From here on: on a slow kernel it takes a while to come so far. */
	began_ms = t_now_ms();
	while (!race->nr_findings &&
	       !round_is_over(t_now_ms() - began_ms, nr)) {
		disturb_servers(r);
		nr++;
		if (t_one_in(r, 16))
			unload_in_use();
		race_sleep_us(t_below(r, 30000));
	}
	users_stop();
	if (swap)
		T_OK(t_swapoff(RACE_DATA));
	else
		race_verify_all();
	close(hold);
	t_ctl_close(ctl);
	servers_stop();
	race->stop_slow = true;
	reap(slow, "the slow store");
	balance(RACE_DATA);
	balance(RACE_SLOW);
	balance(RACE_SPARE);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ 0 }
	};
	const char *seconds = getenv("T_SECONDS"), *seed = getenv("T_SEED");
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n') {
			seconds = optarg;
		} else if (option == 's') {
			seed = optarg;
		} else {
			fputs("usage: abuse-race [--seconds N] [--seed S]\n",
			      stderr);
			exit(2);
		}
	}
	if (seconds && *seconds)
		limit_s = atol(seconds) > 0 ? atol(seconds) : 1;
	race->seed = seed && *seed ? strtoull(seed, NULL, 0) : 1;
}

#define N(name) ((unsigned long long)race->name)

static void report(long seconds)
{
	printf("{\"test\":\"race\",\"seed\":%llu,\"seconds\":%ld,\"rounds\":%u,\"bios\":%llu,\"io\":%llu,\"verified_mib\":%llu,\"swapped_mib\":%llu,\"kills\":%llu,\"stops\":%llu,\"takeovers\":%llu,\"resets\":%llu,\"resets_busy\":%llu,\"late\":%llu,\"slow\":%llu,\"reconnects\":%llu,\"opens\":%llu,\"adds\":%llu,\"removes\":%llu,\"removes_busy\":%llu,\"unloads\":%llu,\"unloads_busy\":%llu,\"findings\":%u}\n",
	       N(seed), seconds, race->round, N(nr_bios), N(nr_io),
	       N(verified_bytes) / T_MIB, N(nr_swapped_kib) / 1024,
	       N(nr_kills), N(nr_stops), N(nr_takeovers), N(nr_resets),
	       N(nr_resets_busy), N(nr_late), N(nr_slow), N(nr_reconnects),
	       N(nr_opens), N(nr_adds), N(nr_removes), N(nr_removes_busy),
	       N(nr_unloads), N(nr_unloads_busy), race->nr_findings);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	long began = t_now_ms(), end_ms;
	struct t_rand r;

	race = t_shared(sizeof(*race));
	parse(argc, argv);
	race->store = t_shared(RACE_BYTES);
	race->next_generation = 1;
	printf("seed %llu, %ld s\n", N(seed), limit_s);
	fflush(stdout);
	t_init(limit_s + END_S);
	end_ms = began + limit_s * 1000;
	while (t_now_ms() < end_ms && !race->nr_findings) {
		r = t_rand_of(race->seed, race->round, UINT64_MAX);
		starts = 0;
		run_round(&r);
		race_reload();
		race->round++;
		printf("progress: %ld s, %u rounds, %llu bios, %llu kills, %llu takeovers, %u findings\n",
		       (t_now_ms() - began) / 1000, race->round, N(nr_bios),
		       N(nr_kills), N(nr_takeovers), race->nr_findings);
		fflush(stdout);
	}
	report((t_now_ms() - began) / 1000);
	if (race->nr_findings)
		T_FAIL("expected no findings, found %u: seed %llu",
		       race->nr_findings, N(seed));
	return t_end();
}
