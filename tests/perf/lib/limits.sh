#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2034 # for who sources it
# What a request of 4 KiB costs on /dev/abuse0, served from memory, as a multiple of what it costs on brd in the same boot:
# mode, depth, multiple.  Recorded, not chosen: tests/run --kernel 6.12 --env RECORD=1 perf/instructions prints them.  Who
# makes the way of a page longer on purpose records them anew, in the same commit, and says there what for.
# Each is the middle of six boots that waited for different times before; they lay within 2% of it.
LIMITS="
randread 1 3908
randread 8 1882
randread 32 1636
randwrite 1 3572
randwrite 8 1731
randwrite 32 1508
"
