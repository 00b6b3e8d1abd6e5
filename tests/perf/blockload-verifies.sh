#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will let blockload write and read the device, of which it verifies each page.
#
# time: 60
# busted: module=short-copy

# shellcheck source=tests/perf/lib/perf.sh
. /tests/perf/lib/perf.sh

server_start
for mode in write read randwrite randread; do
	for bytes in 4K 128K; do
		run /bin/blockload --device $DEVICE --rw $mode --bytes $bytes --depth 8 --tasks 2 --requests 64 --area 2M \
			--server-pid $server >$DIR/said
		[ "$(number requests <$DIR/said)" = 64 ] || fail "64 requests, $mode $bytes" "$(cat $DIR/said)"
		[ "$(number verified_pages <$DIR/said)" -gt 0 ] || fail "pages verified, $mode $bytes" "$(cat $DIR/said)"
		[ "$(number server_ns <$DIR/said)" -gt 0 ] || fail "the server's time, $mode $bytes" "$(cat $DIR/said)"
	done
done
server_stop
