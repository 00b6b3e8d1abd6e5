# SPDX-License-Identifier: GPL-2.0-only
"""The turn (swapserver/turn.c) without a kernel module: who gets it when its holder ends, by whatever end.

Compiles a small program against turn.c, statically as the server is, and runs it on this machine: processes that share
a page, kill each other, and exec.
"""

import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "turn.h"

#define NR 5
#define KILLS 200

static struct shared {
	struct turn turn, life[NR];
	_Atomic int takes, interrupted, ended, critical;
} *shared;

#define CHECK(cond) do { if (!(cond)) { \
	fprintf(stderr, "line %d: %s\n", __LINE__, #cond); \
	kill(0, SIGKILL); } } while (0)
#define UNTIL(cond) do { int ms = 0; while (!(cond)) { \
	CHECK(ms++ < 10000); usleep(1000); } } while (0)

static void wake(int sig) { (void)sig; }

static void contend(int i)
{
	struct sigaction action = { .sa_handler = wake };

	sigaction(SIGUSR1, &action, NULL);
	CHECK(!turn_init());
	CHECK(turn_try(&shared->life[i]));
	while (turn_take(&shared->turn))
		shared->interrupted++;
	shared->takes++;
	if (shared->ended) {
		shared->ended++;
		_exit(0);
	}
	for (;;)
		pause();
}

static pid_t start(char **argv, int i, int fd)
{
	char number[2][16];
	pid_t pid = fork();

	if (pid)
		return pid;
	snprintf(number[0], 16, "%d", fd);
	snprintf(number[1], 16, "%d", i);
	/* As the servers are: through exec. */
	execl("/proc/self/exe", argv[0], number[0], number[1], NULL);
	_exit(9);
}

static int holder(pid_t *pids)
{
	for (int i = 0; i < NR; i++)
		if (turn_holder(&shared->turn) == pids[i])
			return i;
	return -1;
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? atoi(argv[1]) : memfd_create("turn", 0);
	pid_t pids[NR];
	int i, k, at;

	ftruncate(fd, sizeof(*shared));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	if (argc > 1)
		contend(atoi(argv[2]));
	setpgid(0, 0);
	alarm(60);
	for (i = 0; i < NR; i++) {
		pids[i] = start(argv, i, fd);
		UNTIL(turn_holder(&shared->life[i]) == pids[i]);
	}
	for (k = 0; k < KILLS; k++) {
		UNTIL(turn_holder(&shared->turn) && shared->takes == k + 1);
		at = holder(pids);
		CHECK(at >= 0);
		if (k % 4 == 1) {	/* one who does not hold it */
			at = (at + 1) % NR;
		} else if (k % 4 == 2) {	/* two at once: it and who would be next */
			i = (at + 1) % NR;
			kill(pids[i], SIGSTOP);
			kill(pids[at], SIGKILL);
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
			CHECK(!turn_holder(&shared->life[i]));
			pids[i] = start(argv, i, fd);
			UNTIL(turn_holder(&shared->life[i]) == pids[i]);
		} else {
			/* A signal is no turn. */
			kill(pids[(at + 1) % NR], SIGUSR1);
			kill(pids[at], SIGKILL);
		}
		kill(pids[at], SIGKILL);
		waitpid(pids[at], NULL, 0);
		CHECK(!turn_holder(&shared->life[at]));
		if (k % 4 == 1) {
			CHECK(turn_holder(&shared->turn));
			shared->takes++;	/* for the count */
		}
		pids[at] = start(argv, at, fd);
		UNTIL(turn_holder(&shared->life[at]) == pids[at]);
	}
	/* All others stopped: it goes to one of them, who does not take it. */
	UNTIL(shared->takes == KILLS + 1);
	at = holder(pids);
	for (i = 0; i < NR; i++)
		if (i != at) {
			kill(pids[i], SIGSTOP);
			waitpid(pids[i], NULL, WUNTRACED);
		}
	kill(pids[at], SIGKILL);
	waitpid(pids[at], NULL, 0);
	CHECK(!turn_holder(&shared->turn));
	/* One that may run, but was not the first in the row. */
	kill(pids[(at + NR - 1) % NR], SIGCONT);
	usleep(20000);
	turn_nudge(&shared->turn);
	UNTIL(turn_holder(&shared->turn) == pids[(at + NR - 1) % NR]);
	/* An exit passes it on as a kill does. */
	shared->ended = 1;
	for (i = 0; i < NR; i++)
		if (i != at)
			kill(pids[i], SIGCONT);
	kill(pids[(at + NR - 1) % NR], SIGKILL);
	UNTIL(shared->ended == 1 + NR - 2);
	CHECK(shared->interrupted > 0);
	puts("ok");
	return 0;
}
"""


class TurnTest(unittest.TestCase):
    def test_holder_dies(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "turn-test.c"
            source.write_text(PROGRAM, encoding="ascii")
            program = Path(folder) / "turn-test"
            subprocess.run(
                ["gcc", "-std=gnu11", "-O2", "-static", f"-I{ROOT}/swapserver", "-o", program, source,
                 ROOT / "swapserver/turn.c"], check=True, capture_output=True, timeout=60)
            done = subprocess.run([program], capture_output=True, text=True, timeout=90, check=False)
            self.assertEqual((done.stdout.strip(), done.returncode), ("ok", 0), done.stderr)


if __name__ == "__main__":
    unittest.main()
