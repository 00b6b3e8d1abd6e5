#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will swap under pressure: a load of 1.3 times the memory, verified word by word, on a protected swapserver
# over a disk; the device must have carried it, the server must have taken no page fault, and swapoff must work.
#
# Where it stands: load > reclaim > bio > queue > ioctl > [server] > disk.
#
# time: 900
# busted: env=SERVER_FLAGS=--naive
# twin-limit: 30
# busted: env=LOAD_PERCENT=20
# invariant: I1 I2 I3 I8

# shellcheck disable=SC1091,SC2034 # in the guest; for it
set -u
BACKEND=disk,path=/dev/store
. /tests/swap/lib/pressure.sh
