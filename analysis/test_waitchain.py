#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of waitchain.py on sample logs, each with a twin that must not give a cycle.

Where it stands: beside analysis/waitchain.py.  The samples are written after chains that were seen, and the
functions of kernels 6.1 and 6.12.  Run: python3 analysis/test_waitchain.py.
"""
from __future__ import annotations

import json
import sys
import tarfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "experiments")]

from lab import evidence  # noqa: E402
from waitchain import analyse, parse  # noqa: E402


def task(comm: str, pid: int, state: str, *frames: str, series: str = "6.12", ppid: int = 1) -> str:
    """The lines that sysrq w prints for one task; frames innermost first, a leading "? " is kept."""
    middle = f"tgid:{pid:<5} ppid:{ppid:<6} task_flags:0x400040 flags:0x00004000" if series == "6.12" \
        else f"ppid:{ppid:<6} flags:0x00004000"
    lines = [f"task:{comm:15.15} state:{state} stack:0     pid:{pid:<5} {middle}", "Call Trace:", " <TASK>"]
    for frame in ("__schedule", "schedule", *frames):
        guess, name = ("? ", frame[2:]) if frame.startswith("? ") else ("", frame)
        lines.append(f" {guess}{name}+0x3f0/0xba0" + (" [abuse]" if name.startswith("abuse") else ""))
    lines += ["RIP: 0033:0x7f1c8e3a1b2c", "RSP: 002b:00007ffd6e1f8a48 EFLAGS: 00000246 ORIG_RAX: 0000000000000010", " </TASK>"]
    return "".join(f"[   26.{number:06}] {line}\n" for number, line in enumerate(lines))


HEADER = "[   26.000000] sysrq: Show Blocked State\n"
SWAP_IN = ("io_schedule", "folio_wait_bit_common", "do_swap_page", "__handle_mm_fault", "handle_mm_fault",
           "do_user_addr_fault", "exc_page_fault", "asm_exc_page_fault")
RECLAIM = ("shrink_folio_list", "evict_folios", "try_to_shrink_lruvec", "shrink_one", "shrink_node", "do_try_to_free_pages",
           "try_to_free_pages", "__alloc_pages_slowpath.constprop.0", "__alloc_pages_noprof", "alloc_pages_mpol_noprof",
           "vma_alloc_folio_noprof", "do_anonymous_page", "__handle_mm_fault", "handle_mm_fault", "exc_page_fault")
BIO = ("schedule_timeout", "io_schedule_timeout", "mempool_alloc_noprof", "bio_alloc_bioset", "__swap_writepage",
       "swap_writepage", "pageout", *RECLAIM)
KSWAPD = ("schedule_timeout", "io_schedule_timeout", "mempool_alloc_noprof", "bio_alloc_bioset", "__swap_writepage",
          "swap_writepage", "pageout", "shrink_folio_list", "shrink_node", "balance_pgdat", "kswapd", "kthread")
IDLE = ("abuse_server_wait", "abuse_serve_lend", "abuse_serve", "abuse_ctl_ioctl", "__x64_sys_ioctl", "do_syscall_64")
LENT = {"nr_lent": 2, "nr_queued": 5, "nr_waiting": 0}

LOAD = task("stress-ng-vm", 123, "D", *SWAP_IN)


class Parsing(unittest.TestCase):
    def test_both_formats(self) -> None:
        for series in ("6.1", "6.12"):
            tasks = parse(HEADER + task("kworker/u4:1", 17, "D", "? dead", "io_schedule", series=series))
            self.assertEqual([t.name for t in tasks.values()], ["kworker/u4:1 [17]"])
            self.assertEqual(tasks[17].stack, ["__schedule", "schedule", "io_schedule"])

    def test_guesses_and_clones(self) -> None:
        stack = parse(HEADER + task("a", 9, "D", "? mempool_alloc_noprof", "__alloc_pages_slowpath.constprop.0"))[9].stack
        self.assertNotIn("mempool_alloc_noprof", stack)
        self.assertIn("__alloc_pages_slowpath", stack)

    def test_long_names_and_running_tasks(self) -> None:
        tasks = parse("task:a name of spac  state:R  running task     stack:0     pid:7     tgid:7     ppid:2      flags:0x0\n")
        self.assertEqual((tasks[7].comm, tasks[7].state), ("a name of spac", "R"))

    def test_last_dump_wins(self) -> None:
        self.assertIn("jbd2_log_wait_commit", parse(LOAD + HEADER + task("stress-ng-vm", 123, "D", "jbd2_log_wait_commit"))[123].stack)

    def test_hung_task_report(self) -> None:
        log = "[   30.0] INFO: task stress-ng-vm:123 blocked for more than 10 seconds.\n" + LOAD
        self.assertEqual(len(parse(log)), 1)

    def test_processor_backtrace(self) -> None:
        log = ("[   30.0] NMI backtrace for cpu 1\n"
               "[   30.0] CPU: 1 UID: 0 PID: 99 Comm: swapserver Not tainted 6.12.1-amd64 #1  Debian\n"
               "[   30.0] RIP: 0010:shrink_lruvec+0x1/0x2\n[   30.0] Call Trace:\n[   30.0]  <NMI>\n[   30.0]  </NMI>\n"
               "[   30.0]  <TASK>\n[   30.0]  shrink_node+0x1/0x2\n[   30.0]  try_to_free_pages+0x1/0x2\n")
        self.assertEqual(parse(log)[99].stack, ["shrink_lruvec", "shrink_node", "try_to_free_pages"])

    def test_what_interrupted_a_task_is_not_its_stack(self) -> None:
        log = ("task:swapserver      state:R  running task     stack:0     pid:99    tgid:99    ppid:1      flags:0x0\n"
               "Call Trace:\n <IRQ>\n sched_show_task+0x1/0x2\n __handle_sysrq+0x1/0x2\n </IRQ>\n <TASK>\n"
               " asm_common_interrupt+0x1/0x2\nRIP: 0033:0x401000\n </TASK>\n")
        self.assertEqual(parse(log)[99].stack, ["asm_common_interrupt"])

    def test_nothing(self) -> None:
        result = analyse("Linux version 6.12\n")
        self.assertEqual((result.edges, result.cycle), ([], None))
        self.assertIn("no blocked task", result.text())


class Chains(unittest.TestCase):
    """The kinds of chains of PAPER.md, section 3."""

    def cycle(self, log: str, *words: str) -> None:
        result = analyse(log, counters=LENT)
        self.assertIsNotNone(result.cycle, result.text())
        for word in (*words, "swapserver [99]", "closes the cycle"):
            self.assertIn(word, result.text())

    def no_cycle(self, log: str, **options: object) -> None:
        result = analyse(log, **{"counters": LENT, **options})  # type: ignore[arg-type]
        self.assertIsNone(result.cycle, result.text())

    def test_1_allocation_in_the_server_needs_a_bio(self) -> None:
        self.cycle(HEADER + task("kswapd0", 42, "D", *KSWAPD) + LOAD + task("swapserver", 99, "D", *BIO),
                   "fs_bio_set, reserve 2", "2 are LENT", "stress-ng-vm [123] waits for: its page")

    def test_2_the_server_s_own_page(self) -> None:
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", *SWAP_IN),
                   "swapserver [99] waits for: its page, being read from /dev/abuse0 (folio_wait_bit_common)")

    def test_2_on_6_1(self) -> None:
        frames = ("io_schedule", "folio_wait_bit_common", "__folio_lock_or_retry", *SWAP_IN[2:])
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", *frames, series="6.1"), "being read from")

    def test_3_throttled(self) -> None:
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", "throttle_direct_reclaim", *RECLAIM[6:]), "throttled")

    def test_3_running_in_reclaim(self) -> None:
        self.cycle(HEADER + LOAD + "CPU: 0 PID: 99 Comm: swapserver Not tainted 6.12 #1\nCall Trace:\n"
                   " shrink_node+0x1/0x2\n do_try_to_free_pages+0x1/0x2\n try_to_free_pages+0x1/0x2\n", "(running)")

    def test_4_shared_bios(self) -> None:
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", "schedule_timeout", "io_schedule_timeout", "mempool_alloc_noprof",
                                        "bio_alloc_bioset", "iomap_dio_bio_iter", "__iomap_dio_rw", "ext4_file_write_iter",
                                        "vfs_write"), "shared with swap")

    def test_5_a_lock_is_no_cycle_we_can_prove(self) -> None:
        log = HEADER + LOAD + task("swapserver", 99, "D", "rwsem_down_write_slowpath", "down_write", "ext4_buffered_write_iter",
                                   "vfs_write")
        self.no_cycle(log)
        self.assertIn("swapserver [99] waits for: a lock", analyse(log).text())

    def test_its_own_full_queue(self) -> None:
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", "io_schedule", "abuse_bio_submit", "__submit_bio", *BIO[4:]),
                   "a free request slot of /dev/abuse0")

    def test_idle_server_is_no_cycle(self) -> None:
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "S", *IDLE))

    def test_what_a_server_does_is_shown(self) -> None:
        log = HEADER + LOAD + task("swapserver", 99, "S", "do_nanosleep") + task("other", 98, "S", "do_nanosleep")
        text = analyse(log, counters=LENT).text()
        self.assertIn("swapserver [99] waits for: work: it is idle (do_nanosleep)", text)
        self.assertNotIn("other [98]", text)

    def test_idle_server_that_holds_requests_waits_for_a_batch(self) -> None:
        log = HEADER + task("kswapd0", 42, "D", *KSWAPD) + task("swapserver", 99, "S", *IDLE)
        result = analyse(log, counters={"nr_lent": 2, "nr_queued": 0}, hold=3)
        self.assertIsNotNone(result.cycle, result.text())
        self.assertIn("swapserver [99] waits for: more requests than there are", result.text())
        # Its lanes wait for it.
        lane = task("swapserver", 100, "S", "futex_wait_queue").replace("tgid:100", "tgid:99")
        self.assertIn("tgid:99 ", lane)
        self.assertIsNotNone(analyse(log + lane, counters={"nr_lent": 2}, hold=3).cycle)
        # Its twins: it could have one, it holds none, or as many as it wants; another thread of it works, or does what is not known;
        # who waits by a futex is another process; it does not wait for a batch, so what it holds is lost, perhaps.
        self.no_cycle(log, counters={"nr_lent": 2, "nr_queued": 1}, hold=3)
        self.no_cycle(log, counters={"nr_lent": 0, "nr_queued": 0}, hold=3)
        self.no_cycle(log, counters={"nr_lent": 3, "nr_queued": 0}, hold=3)
        for does in (("io_schedule", "__blkdev_direct_IO_simple"), ("frobnicate",)):
            self.no_cycle(log + task("swapserver", 100, "D", *does), counters={"nr_lent": 2, "nr_queued": 0}, hold=3)
        self.no_cycle(log + task("swapserver", 100, "S", "futex_wait_queue"), counters={"nr_lent": 2}, hold=3)
        self.no_cycle(log + lane, counters={"nr_lent": 2})

    def test_server_at_its_disk_is_no_cycle(self) -> None:
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "D", "io_schedule", "__blkdev_direct_IO_simple", "blkdev_write_iter"))

    def test_nobody_serves(self) -> None:
        log = HEADER + LOAD + task("kswapd0", 42, "D", *KSWAPD)
        text = analyse(log, counters={"nr_lent": 0, "nr_queued": 512, "nr_servers": 0}).text()
        self.assertIn("512 QUEUED requests of /dev/abuse0 waits for: a server: there is none", text)
        self.assertNotIn("there is none", analyse(log, counters={"nr_lent": 0, "nr_queued": 512, "nr_servers": 1}).text())

    def test_a_peer_whose_server_is_gone(self) -> None:
        log = HEADER + task("kswapd0", 42, "D", *KSWAPD)
        gone = "a request of /dev/ublkb0 waits for: its server ublk-server: there is none"
        all_tasks = "[    9.000000] sysrq: Show State\n[    9.100000] Showing busy workqueues and worker pools:\n"
        self.assertIn(gone, analyse(log + all_tasks, server="ublk-server", device="ublkb0").text())
        # Its twins: not all tasks are in the log; it is there; nobody waits; the kernel serves.
        for some in ("", all_tasks.partition("\n")[0] + "\n"):
            self.assertNotIn("there is none", analyse(log + some, server="ublk-server", device="ublkb0").text())
        there = task("ublk-server", 99, "S", *IDLE)
        self.assertNotIn("there is none", analyse(all_tasks.replace("\n", "\n" + there, 1) + log, server="ublk-server", device="ublkb0").text())
        self.assertNotIn("there is none", analyse(HEADER + all_tasks, server="ublk-server", device="ublkb0").text())
        self.assertNotIn("there is none", analyse(log + all_tasks, server=None, device="loop0").text())

    def test_a_peer_whose_server_has_nothing_to_do(self) -> None:
        """TCP drops what it has no memory for: the request is on the way, for ever."""
        log = HEADER + task("kswapd0", 42, "D", *KSWAPD)
        idle = task("nbdkit", 99, "S", "do_sys_poll") + task("nbdkit", 100, "S", "futex_wait_queue")
        rests = "a request of /dev/nbd0 waits for: nbdkit [99], its server, which has nothing to do"
        self.assertIn(rests, analyse(log + idle, server="nbdkit", device="nbd0").text())
        # Its twins: a thread of it works; nobody waits; the module counts where its requests are.
        busy = task("nbdkit", 101, "D", "io_schedule", "__blkdev_direct_IO_simple")
        self.assertNotIn("nothing to do", analyse(log + idle + busy, server="nbdkit", device="nbd0").text())
        self.assertNotIn("nothing to do", analyse(HEADER + idle, server="nbdkit", device="nbd0").text())
        self.assertNotIn("nothing to do", analyse(log + idle, server="nbdkit", device="abuse0", counters=LENT).text())

    def test_between_two_looks_it_waits(self) -> None:
        throttled = ("schedule_timeout", "io_schedule_timeout", "balance_dirty_pages", "xfs_file_buffered_write")
        log = HEADER + LOAD + task("swapserver", 99, "R", *throttled)
        self.assertIsNotNone(analyse(log, counters=LENT).cycle)
        # Its twin: it runs.
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "R", *throttled[2:]))

    def test_a_stopped_server_is_told(self) -> None:
        log = HEADER + LOAD + task("swapserver", 99, "T", "do_signal_stop", "get_signal")
        text = analyse(log, counters=LENT).text()
        self.no_cycle(log)
        self.assertIn("swapserver [99] waits for: somebody to continue it: it is stopped", text)

    def test_one_thread_that_goes_on_breaks_it(self) -> None:
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "D", *BIO) + task("swapserver", 100, "S", *IDLE))

    def test_nothing_in_care_is_no_cycle(self) -> None:
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "D", *BIO), counters={"nr_lent": 0, "nr_queued": 0})

    def test_no_server_no_cycle(self) -> None:
        self.no_cycle(HEADER + LOAD + task("other", 99, "D", *BIO))

    def test_server_by_pid(self) -> None:
        self.assertIsNotNone(analyse(HEADER + LOAD + task("other", 99, "D", *BIO), server=99).cycle)

    def test_unknown_stack_is_shown_as_it_is(self) -> None:
        log = HEADER + LOAD + task("swapserver", 99, "D", "frobnicate", "vfs_write")
        self.no_cycle(log)
        self.assertIn("swapserver [99] state D, unknown stack: __schedule < schedule < frobnicate < vfs_write", analyse(log).text())

    def test_a_worker_between_two_works_says_nothing(self) -> None:
        log = LOAD + task("kworker/u8:2", 37, "R", "worker_thread", "kthread") + task("kworker/u8:3", 38, "R", "shrink_node")
        self.assertEqual([task.pid for task in analyse(log).running], [38])

    def test_alike_tasks_are_counted(self) -> None:
        log = HEADER + "".join(task("stress-ng-vm", 120 + number, "D", *SWAP_IN) for number in range(4))
        self.assertIn("(and 3 more)", analyse(log).text())


TESTDATA = Path(__file__).resolve().parent / "testdata"
# How a request gets to a driver of the block layer: from reclaim, innermost first.
DISPATCH = ("blk_mq_dispatch_rq_list", "__blk_mq_sched_dispatch_requests", "blk_mq_run_hw_queue", "blk_mq_flush_plug_list",
            "blk_finish_plug", *RECLAIM[4:])
MUTEX = ("schedule_preempt_disabled", "__mutex_lock.constprop.0")
UNIX_SEND = ("schedule_timeout", "sock_alloc_send_pskb", "unix_stream_sendmsg")
UNIX_RECEIVE = ("schedule_timeout", "unix_stream_read_generic", "unix_stream_recvmsg")
RING = ("io_cqring_wait", "__do_sys_io_uring_enter", "do_syscall_64")
LOOP = ("lo_rw_aio.isra.0", "loop_process_work", "loop_rootcg_workfn", "process_one_work", "worker_thread", "kthread")


class Peers(unittest.TestCase):
    """Devices that others serve."""

    def check(self, log: str, server: str | None, device: str, *words: str) -> None:
        """There is a cycle, and its text has these words; without words there is none."""
        result = analyse(log, server=server, device=device)
        self.assertEqual(result.cycle is not None, bool(words), result.text())
        for word in words:
            self.assertIn(word, result.text())

    def test_nbd_as_recorded(self) -> None:
        """Of a guest that swapped on nbd with a buffered nbdkit (6.12): first report of each task, registers left out."""
        log = (TESTDATA / "nbd-hang-6.12.log").read_text()
        self.check(log, "nbdkit", "nbd0", "pageload [367] waits for: the socket of /dev/nbd0",
                   "nbdkit [290] waits for: the socket of /dev/nbd0", "in its own reclaim (__mutex_lock)", "closes the cycle",
                   "kworker/1:2H [369] waits for: those who hand a request to /dev/nbd0")
        self.assertEqual(analyse(log, server="nbdkit", device="nbd0").unknown, [])
        # Twins: nobody is known to serve it, or the one who does has room.
        self.check(log, "another", "nbd0")
        self.check(log + task("nbdkit", 291, "D", "io_schedule", "__blkdev_direct_IO_simple", "blkdev_write_iter"), "nbdkit", "nbd0")

    def test_nbd_with_swap_as_recorded(self) -> None:
        """nbdkit --swap, nbd-client -swap (6.12): of its 17 threads two are in reclaim, one polls, the others wait for those."""
        log = (TESTDATA / "nbd-swap-hang-6.12.log").read_text()
        self.check(log, "nbdkit", "nbd0", "nbdkit [267] waits for: the socket of /dev/nbd0", "in its own reclaim (__mutex_lock)",
                   "closes the cycle", "room in it, to send a request (sock_alloc_send_pskb)")
        # Twins: a thread that reads the socket; one that polls, where nobody says that the socket is full.
        reader = task("nbdkit", 300, "S", *UNIX_RECEIVE, "sock_recvmsg", "__sys_recvfrom")
        self.check(log + reader, "nbdkit", "nbd0")
        self.check(log.replace("sock_alloc_send_pskb", "sock_other").replace("unix_stream_sendmsg", "unix_other"), "nbdkit", "nbd0")

    def test_a_thread_that_waits_for_another_goes_nowhere(self) -> None:
        stuck = HEADER + LOAD + task("nbdkit", 290, "D", *BIO)
        self.check(stuck + task("nbdkit", 291, "S", "futex_wait_queue", "__futex_wait", "futex_wait"), "nbdkit", "nbd0", "closes")
        self.check(stuck + task("nbdkit", 291, "S", "schedule_hrtimeout_range_clock", "do_sys_poll"), "nbdkit", "nbd0")

    def test_nbd_socket_is_full(self) -> None:
        sender = task("pageload", 367, "D", *UNIX_SEND, "sock_sendmsg", "__sock_xmit", "nbd_send_cmd", "nbd_queue_rq", *DISPATCH)
        self.check(HEADER + sender + task("nbd-server", 99, "D", *BIO), "nbd-server", "nbd0",
                   "room in it, to send a request (sock_alloc_send_pskb)")
        self.check(HEADER + sender + task("nbd-server", 99, "S", *UNIX_RECEIVE, "sock_recvmsg", "__sys_recvfrom"),
                   "nbd-server", "nbd0")

    def test_nbd_server_reads(self) -> None:
        log = HEADER + task("kswapd0", 51, "D", *MUTEX, "nbd_queue_rq", *DISPATCH)
        self.check(log + task("nbdkit", 290, "D", *MUTEX, "nbd_queue_rq", *DISPATCH), "nbdkit", "nbd0", "closes the cycle")
        self.check(log + task("nbdkit", 290, "S", *UNIX_RECEIVE, "sock_recvmsg", "__sys_recvfrom"), "nbdkit", "nbd0")

    def test_who_waits_for_connections_does_not_serve(self) -> None:
        select = ("schedule_hrtimeout_range_clock", "do_select", "core_sys_select")
        for series in ("6.12", "6.1"):
            log = HEADER + LOAD + task("nbd-server", 541, "D", *BIO, ppid=167, series=series)
            self.check(log + task("nbd-server", 167, "S", *select, series=series), "nbd-server", "nbd0", "closes the cycle")
            # Twin: another one that has no child may be the one who serves.
            self.check(log + task("nbd-server", 168, "S", *select, series=series), "nbd-server", "nbd0")

    def test_nbd_receiver_is_known(self) -> None:
        log = HEADER + task("kworker/u8:3", 70, "D", *UNIX_RECEIVE, "sock_recvmsg", "__sock_xmit", "nbd_read_reply", "recv_work")
        result = analyse(log, server="nbdkit", device="nbd0")
        self.assertEqual(([edge.kind for edge in result.edges], result.unknown), (["reply"], []))

    def test_ublk_as_recorded(self) -> None:
        """An unprotected ublk server (6.12): one thread is in reclaim, the other waits for signals, its rings' workers idle."""
        log = (TESTDATA / "ublk-bare-hang-6.12.log").read_text()
        self.check(log, "ublk-server", "ublkb0", "ublk-server [160] waits for: a bio of a bio_set: fs_bio_set", "closes the cycle")
        self.check(log + task("ublk-server", 161, "S", *RING), "ublk-server", "ublkb0")
        self.check(log + task("ublk-server", 161, "S", "do_nanosleep"), "ublk-server", "ublkb0")

    def test_ublk_server_in_its_ring(self) -> None:
        tag = task("stress-ng-vm", 123, "D", "io_schedule", "blk_mq_get_tag", "__blk_mq_alloc_requests", "blk_mq_submit_bio",
                   "__submit_bio", "swap_writepage", *RECLAIM)
        self.check(HEADER + tag + task("ublk-server", 99, "S", *RING), "ublk-server", "ublkb0")
        self.assertIn("a tag of /dev/ublkb0: to write a page to swap", analyse(tag, server="x", device="ublkb0").text())

    def test_ublk_server_needs_a_tag_of_its_own_device(self) -> None:
        frames = ("io_schedule", "blk_mq_get_tag", "__blk_mq_alloc_requests", "blk_mq_submit_bio", "swap_writepage", *RECLAIM)
        self.check(HEADER + LOAD + task("ublk-server", 99, "D", *frames), "ublk-server", "ublkb0", "a tag of /dev/ublkb0")

    def test_ublk_server_throttled_by_its_own_device(self) -> None:
        """As a starter of a server was recorded: in reclaim, where the kernel holds up who writes while earlier writes are under way."""
        frames = ("io_schedule", "rq_qos_wait", "wbt_wait", "__rq_qos_throttle", "blk_mq_submit_bio", "__submit_bio", "swap_writepage", *RECLAIM)
        self.check(HEADER + LOAD + task("ublk-server", 99, "D", *frames), "ublk-server", "ublkb0", "room among the writes to /dev/ublkb0")
        # Not in reclaim: the server's own write to its disk, which the disk lets go on.
        self.check(HEADER + LOAD + task("ublk-server", 99, "D", *frames[:5], "blkdev_direct_IO"), "ublk-server", "ublkb0")

    def test_ublk_server_s_page(self) -> None:
        """It copies through its own memory, which is out."""
        frames = (*SWAP_IN[:5], "faultin_page", "__get_user_pages", "ublk_copy_user_pages", "ublk_ch_uring_cmd_local")
        self.check(HEADER + LOAD + task("ublk-server", 99, "D", *frames), "ublk-server", "ublkb0", "being read from /dev/ublkb0")

    def test_ublk_worker_of_a_ring_is_idle(self) -> None:
        self.check(HEADER + LOAD + task("ublk-server", 99, "D", *BIO) + task("iou-wrk-99", 101, "D", "io_wq_worker"),
                   "ublk-server", "ublkb0", "closes the cycle")

    def test_loop_worker_serves(self) -> None:
        """No process serves a loop device: a worker of the kernel does, whatever it is called."""
        stuck = ("schedule_timeout", "io_schedule_timeout", "mempool_alloc_noprof", "bio_alloc_bioset", "iomap_dio_bio_iter",
                 "__iomap_dio_rw", "ext4_file_write_iter", *LOOP)
        self.check(HEADER + LOAD + task("kworker/u4:1", 17, "D", *stuck), None, "loop0", "kworker/u4:1 [17] waits for: a bio",
                   "a request of /dev/loop0, which kworker/u4:1 [17] serves")
        self.check(HEADER + LOAD + task("kworker/u4:1", 17, "D", *stuck[:-6]), None, "loop0")
        self.check(HEADER + LOAD + task("kworker/u4:1", 17, "D", *stuck), None, "vda")

    def test_loop_worker_in_reclaim(self) -> None:
        log = HEADER + LOAD + task("kworker/u4:1", 17, "D", "throttle_direct_reclaim", *RECLAIM[6:10], "__filemap_get_folio",
                                   "ext4_da_write_begin", "generic_perform_write", "ext4_buffered_write_iter", *LOOP[1:])
        self.check(log, None, "loop0", "throttled")

    def test_loop_who_submits_does_not_serve(self) -> None:
        self.check(HEADER + LOAD + task("kswapd0", 42, "D", *MUTEX, "loop_queue_rq", *DISPATCH), None, "loop0")


class Recorded(unittest.TestCase):
    """The hangs of the campaign, those of which all evidence is kept: one of each cell and verdict."""

    # Of the threads that serve two are in reclaim, and one is in user space, so that it may go on.  The others go round through writes
    # that their store refuses, and wait for nobody.
    NO_CYCLE = ("nbd-swap-flusher-d3363324fa", "lz4-36780c18d1", "safe-9b9a2d5052")

    def test_each_hang_is_explained(self) -> None:
        seen = 0
        for folder in sorted((TESTDATA.parent / "results" / "runs").glob("*/*")):
            manifest = evidence.manifest_of(folder)
            verdict = json.loads((folder / "verdict.json").read_text())["verdict"]
            packed = folder / "evidence.tar.xz"
            if verdict not in ("DEADLOCK", "LIVELOCK") or manifest["cell"].get("fires") or not packed.is_file():
                continue
            with tarfile.open(packed) as tar:
                texts = {name: tar.extractfile(name).read().decode(errors="replace")  # type: ignore[union-attr]
                         for name in ("console.log", "heartbeat.jsonl")}
            beats = [json.loads(line) for line in texts["heartbeat.jsonl"].splitlines()]
            arm = manifest["arm"]
            result = analyse(texts["console.log"], server=arm.get("server", {}).get("comm"), device=Path(arm["device"]["path"]).name,
                             counters=next((beat["abuse"] for beat in reversed(beats) if beat.get("abuse")), None),
                             hold=arm.get("server", {}).get("hold", 0))
            seen += 1
            with self.subTest(folder.parent.name):
                text = result.text()
                told = bool(result.cycle or "there is none" in text or "which has nothing to do" in text)
                self.assertEqual(told, folder.parent.name not in self.NO_CYCLE, text)
        self.assertGreater(seen, 5)


if __name__ == "__main__":
    unittest.main()
