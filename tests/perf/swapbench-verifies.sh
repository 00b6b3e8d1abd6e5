#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will let swapbench swap out to the device and in again, with read-ahead and without, by one task and by eight:
# all pages cross the device, and come back as they were.
#
# time: 60
# busted: module=short-copy

# shellcheck source=tests/perf/lib/perf.sh
. /tests/perf/lib/perf.sh
PAGES=1024

counter() {
	sed -n "s/^$1  *//p" /sys/kernel/debug/abuse/abuse0/counters
}

server_start
for how in "--tasks 1 --page-cluster 0" "--tasks 8 --page-cluster 3" "--tasks 1 --page-cluster 0 --latency"; do
	written=$(counter write_bytes) read=$(counter read_bytes)
	# shellcheck disable=SC2086 # several words
	run /bin/swapbench --device $DEVICE --bytes $((PAGES * 4))K $how --server-pid $server >$DIR/said
	for key in out_ns in_ns out_server_ns in_server_ns; do
		[ "$(number $key <$DIR/said)" -gt 0 ] || fail "$key above 0, $how" "$(cat $DIR/said)"
	done
	[ "$(number verified_pages <$DIR/said)" = $PAGES ] || fail "$PAGES pages verified, $how" "$(cat $DIR/said)"
	# What the kernel says it swapped has crossed the device, each way.
	for step in out in; do
		[ "$(number ${step}_pages <$DIR/said)" -ge $((PAGES * 9 / 10)) ] || fail "nearly all $PAGES pages $step, $how" "$(cat $DIR/said)"
	done
	written=$(($(counter write_bytes) - written)) read=$(($(counter read_bytes) - read))
	[ $written -ge $((PAGES * 4096 * 9 / 10)) ] || fail "nearly all pages written, $how" "$written bytes"
	[ $read -ge $((PAGES * 4096 * 9 / 10)) ] || fail "nearly all pages read, $how" "$read bytes"
done
p50=$(number fault_p50_ns <$DIR/said) p999=$(number fault_p999_ns <$DIR/said)
if [ "$p50" -le 0 ] || [ "$p50" -gt "$p999" ]; then
	fail "percentiles in order" "$p50, $p999"
fi
server_stop
