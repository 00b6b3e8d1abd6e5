#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will swap under pressure while who reads a page back looks for its answer instead of sleeping (read_spin_us), one
# page at a time: a load of 1.15 times the memory, verified word by word, comes to its end, though who looks keeps a
# processor meanwhile. That looking saves sleeps is queue/spin-reads' to show.
#
# Where it stands: load > reclaim > [bio] > queue > ioctl > server > lz4.
#
# time: 900
# not-on: 6.1 to save CI half a minute: it is the same code there, and passed
# twin-limit: 30
# busted: env=LOAD_PERCENT=20
# invariant: I1 I2 I3

# shellcheck disable=SC1091,SC2034 # in the guest; for it
set -u
BACKEND=lz4,store=64M
BACKEND_FLAGS="--size 256M"
LOAD_FLAGS="--noise 20"
[ "$LOAD_PERCENT" -le 115 ] || LOAD_PERCENT=115

before_load() {
	attribute=/sys/block/abuse0/abuse/read_spin_us
	echo 1000 >$attribute
	[ "$(cat $attribute)" = 1000 ] || fail "readers that look for 1000 us" "$(cat $attribute)"
	# Without read-ahead each reader waits for one page, alone.
	echo 0 >/proc/sys/vm/page-cluster
}

. /tests/swap/lib/pressure.sh
