#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will swap under pressure on a server that answers no write before two have come, in a kernel that gets no bio
# but those of the reserves, of which there are two for all block devices: both come, and the load goes on.  A server that
# waits for a third (the twin) waits for ever: H22.
#
# Where it stands: load > reclaim > [bio] > queue > ioctl > server > disk.
#
# time: 900
# kernels: debug
# twin-limit: 120
# busted: env=HOLD=3
# invariant: I2

# shellcheck disable=SC1091,SC2034 # in the guest; for it
set -u
BACKEND=disk,path=/dev/store
BACKEND_FLAGS=--hold=${HOLD:-2}
# Two pages at a time, on a slow kernel.
CARRIED_MIN=$((16 << 20))
FAILSLAB=/sys/kernel/debug/failslab
TIMES=1000000000

before_load() {
	for cache in /sys/kernel/slab/bio-*; do
		echo 1 >"$cache/failslab" || fail "allocations of $cache to fail on request" "they do not"
	done
	# Without a task filter: whoever swaps out is meant.
	for setting in cache-filter=Y task-filter=N ignore-gfp-wait=N verbose=0 interval=1 space=0 times=$TIMES probability=100; do
		echo "${setting#*=}" >"$FAILSLAB/${setting%=*}" || fail "$setting" "refused"
	done
}

after_load() {
	echo 0 >$FAILSLAB/probability
	left=$(cat $FAILSLAB/times)
	[ $((TIMES - left)) -ge 4000 ] || fail "4000 bios at least from the reserves" "$((TIMES - left))"
	echo "two-bios: $((TIMES - left)) allocations of a bio failed"
}

. /tests/swap/lib/pressure.sh
