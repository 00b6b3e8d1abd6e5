#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# What the tests perf/* share: a server that keeps pages in memory, on a processor of its own, and one measurement.
#
# Where it stands: load > bio > queue > ioctl > [server].  Sourced; sets server, and DEVICE, which has its capacity.

set -u
DIR=/tmp/perf.$$
DEVICE=/dev/abuse0
# Masks: the load on the first processor, the server on the second.
LOAD_CPUS=0x1 SERVER_CPUS=2
mkdir -p $DIR
server=

# fail EXPECTED FOUND
fail() {
	echo "perf: expected $1, found $2" >&2
	[ -z "$server" ] || {
		swapoff $DEVICE 2>/dev/null
		kill -9 "$server" 2>/dev/null
	}
	exit 1
}

gone() {
	! kill -0 "$server" 2>/dev/null
}

# live: the server is ready, and the disk has its capacity
live() {
	[ -s $DIR/ready ] && [ "$(cat /sys/block/${DEVICE#/dev/}/size)" != 0 ]
}

server_start() {
	/bin/swapserver --size 64M --ready $DIR/ready /dev/abctl0 ram 2>$DIR/errors &
	server=$!
	tries=200
	until live || gone || [ $tries = 0 ]; do
		tries=$((tries - 1))
		usleep 100000
	done
	live || fail "a server ready within 20 s" "$(cat $DIR/errors)"
	for task in "/proc/$server/task/"*; do
		taskset -p $SERVER_CPUS "${task##*/}" >/dev/null || fail "taskset to work" "status $?"
	done
}

server_stop() {
	kill -TERM "$server"
	wait "$server"
	status=$?
	[ $status = 0 ] || fail "the server to end with status 0" "$status: $(cat $DIR/errors)"
	server=
	rm -rf $DIR
}

# run PROGRAM ARGUMENTS...: prints its line of JSON
run() {
	"$@" --cpus $LOAD_CPUS 2>$DIR/errors || fail "$1 to measure" "status $?: $(tail -n 1 $DIR/errors)"
}

# number KEY: of a line of JSON on standard input
number() {
	sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}
