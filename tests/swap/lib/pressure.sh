#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# What the tests swap/pressure* share: swap under pressure on a server over one backend, verified word by word.
#
# Where it stands: load > reclaim > bio > queue > ioctl > [server] > backend.  Sourced, by a script that has set
#   BACKEND         as on the server's command line, with --size and the like before the node in
#   BACKEND_FLAGS   (may be empty)
#   LOAD_FLAGS      of pageload (may be empty)
#   before_load, after_load  functions (may be missing)
#   CARRIED_MIN     bytes each way, or it proves nothing (64 MiB)
# From the environment: SERVER_FLAGS, LOAD_PERCENT of the memory (130).

set -u
DIR=/tmp/pressure.$$
STATUS=$DIR/status
READY=$DIR/ready
ERRORS=$DIR/errors
DEVICE=/dev/abuse0
COUNTERS=/sys/kernel/debug/abuse/abuse0/counters
CARRIED_MIN=${CARRIED_MIN:-$((64 << 20))}
mkdir -p $DIR
server=

# fail EXPECTED FOUND
fail() {
	echo "pressure: expected $1, found $2" >&2
	[ -z "$server" ] || {
		# What can be given back; a hung server makes this hang, too, and the runner sees that.
		swapoff $DEVICE 2>/dev/null
		kill -9 "$server" 2>/dev/null
	}
	exit 1
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		usleep 100000
	done
}

# counter NAME: of the device
counter() {
	sed -n "s/^$1  *//p" $COUNTERS
}

ready_or_gone() {
	[ -s "$READY" ] || gone
}

live() {
	[ "$(cat /sys/block/${DEVICE#/dev/}/size)" != 0 ]
}

gone() {
	! kill -0 "$server" 2>/dev/null
}

# Compaction moves locked pages, too: who touches one meanwhile takes a minor fault (one in a dozen runs).  See swapserver(8).
echo 0 >/proc/sys/vm/compact_unevictable_allowed
[ "$(cat /proc/sys/vm/compact_unevictable_allowed)" = 0 ] || fail "locked pages to stay where they are" "they are moved"

# shellcheck disable=SC2086 # several flags, or none
/bin/swapserver ${SERVER_FLAGS:-} --queue 64 --status $STATUS --ready $READY ${BACKEND_FLAGS:-} /dev/abctl0 "$BACKEND" 2>$ERRORS &
server=$!
wait_for 20 ready_or_gone || fail "a server ready within 20 s" "none"
gone && fail "a server" "$(cat $ERRORS)"
wait_for 20 live || fail "a device with a capacity within 20 s" "none"

mkswap $DEVICE >/dev/null || fail "mkswap to work" "status $?"
swapon $DEVICE || fail "swapon to work" "status $?"

command -v before_load >/dev/null && before_load

memory_kb=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
bytes=$((memory_kb * 1024 * ${LOAD_PERCENT:-130} / 100))
# The load is verified by itself: any word that is wrong is its failure.
# shellcheck disable=SC2086 # several flags, or none
/bin/pageload --bytes $bytes --workers 4 --passes 1 ${LOAD_FLAGS:-} --report $DIR/load
status=$?
[ $status = 0 ] || fail "the load to verify its memory" "status $status: $(cat $DIR/load 2>/dev/null)"

command -v after_load >/dev/null && after_load

written=$(counter write_bytes)
read=$(counter read_bytes)
[ "$written" -ge "$CARRIED_MIN" ] || fail "$CARRIED_MIN bytes written to the device" "$written"
[ "$read" -ge "$CARRIED_MIN" ] || fail "$CARRIED_MIN bytes read from the device" "$read"
[ "$(counter ended_error)" = 0 ] || fail "no request with an error" "$(counter ended_error)"

swapoff $DEVICE || fail "swapoff to work" "status $?"
kill -TERM "$server"
wait "$server"
status=$?
[ $status = 0 ] || fail "the server to end with status 0" "$status: $(cat $ERRORS)"
server=
# Of no kind: all of its memory is there, writable, and locked.
grep -q '"event":"server-end".*"major_faults":0,"minor_faults":0,' $STATUS ||
	fail "no page fault in the server" "$(tail -n 1 $STATUS); $(grep -E '^(pgmigrate|compact_m|compact_i|thp_coll|thp_split)' /proc/vmstat | tr '\n' ' ')"
rm -rf $DIR
echo "pressure: $written bytes out, $read bytes in"
