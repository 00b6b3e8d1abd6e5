#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2034 # for who sources it
# What a request of 4 KiB costs on /dev/abuse0, served from memory, as a multiple of what it costs on brd in the same boot:
# mode, depth, multiple.  Recorded, not chosen: tests/run --kernel 6.12 --env RECORD=1 perf/instructions prints them.  Who
# makes the way of a page longer on purpose records them anew, in the same commit, and says there what for.
# Depth 8 falls into one of two rhythms, a tenth apart, by how the boot went: the slower one is recorded.
LIMITS="
randread 1 3930
randread 8 2128
randread 32 1720
randwrite 1 3573
randwrite 8 1936
randwrite 32 1563
"
