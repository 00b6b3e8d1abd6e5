#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# The guest's job for one arm: device and server up, swap on, loads, swap off, all down again.
#
# Where it stands: init > [job] > agent, server, loads.  What differs between arms comes from /job/params (shell
# assignments that experiments/run writes); what happened goes to the result port as JSON lines.
# Nothing here is protected: in an arm that hangs, the shell hangs with it, and the agent and the host tell.

set -u
# shellcheck disable=SC1091
. /job/params

STATE=/job/state # on ramfs, which cannot be swapped out
mkdir -p $STATE /job/out
STATUS_FILE=$STATE/status READY_FILE=$STATE/ready
UNITS=$STATE/units SERVER_PID_FILE=$STATE/server.pid

# A port has one opener at a time.
say() {
	tries=0
	until { echo "$1" >/dev/port/result; } 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || break
		usleep 100000
	done
}

step() {
	say "{\"event\":\"step\",\"name\":\"$1\"}"
}

# failed NAME STATUS: the step did not work; the job ends
failed() {
	say "{\"event\":\"failed\",\"step\":\"$1\",\"status\":$2}"
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

gone() {
	! kill -0 "$1" 2>/dev/null
}

# shellcheck disable=SC2317 # called through wait_for
ready_or_dead() {
	[ -s "$READY_FILE" ] || gone "$1"
}

# find_disk SERIAL: prints the node of the virtio disk with that serial
find_disk() {
	for disk in /sys/block/*; do
		[ -r "$disk/serial" ] || continue
		[ "$(cat "$disk/serial")" = "$1" ] || continue
		echo "/dev/${disk##*/}"
		return 0
	done
	return 1
}

# read_back NAME FILE ...: the first line of each file, all in the result "read-back"; null if there is none
read_back() {
	line='{"event":"read-back"'
	while [ $# -gt 1 ]; do
		value=
		if { read -r value <"$2"; } 2>/dev/null; then
			# Neither may stand in a JSON string.
			value=\"$(printf %s "$value" | tr -d '"\134')\"
		else
			value=null
		fi
		line="$line,\"$1\":$value"
		shift 2
	done
	say "$line}"
}

DISK=
if [ -n "$DISK_SERIAL" ]; then
	# shellcheck disable=SC2034 # for $SERVER, $SETUP and $DEVICE, expanded by eval
	DISK=$(find_disk "$DISK_SERIAL") || failed find-disk 1
fi

if [ -n "$INSMOD" ]; then
	step insmod
	# shellcheck disable=SC2086
	insmod $INSMOD || failed insmod $?
fi

step agent
eval "DEVICE=$DEVICE"
disk=
# What the module counts is better than what the block layer does.
[ "$COUNTERS" = abuse ] || disk="--disk /sys/block/${DEVICE##*/}/stat"
# shellcheck disable=SC2086
/bin/agent --units $UNITS --watch $SERVER_PID_FILE $disk &
agent=$!

if [ -n "$SETUP" ]; then
	step setup
	eval "$SETUP" || failed setup $?
fi

server=
if [ -n "$SERVER" ]; then
	step server
	: >$STATUS_FILE
	# exec: the pid is the server's own.
	eval "exec $SERVER" &
	server=$!
	# It configures the device, takes its protections and reads them back before it says so.
	wait_for 30 ready_or_dead $server || failed server-ready 124
	if gone $server; then
		wait $server
		failed server $?
	fi
	cat $STATUS_FILE
	say "$(head -n 1 $STATUS_FILE)"
	# A server may serve from a child: the pid it names counts.
	pid=$(sed -n 's/.*"pid" *: *\([0-9][0-9]*\).*/\1/p' $STATUS_FILE | head -n 1)
	echo "${pid:-$server}" >$SERVER_PID_FILE
fi

step swapon
mkswap "$DEVICE" || failed mkswap $?
swapon "$DEVICE" || failed swapon $?
cat /proc/swaps
if [ -n "$READ_BACK" ]; then
	# shellcheck disable=SC2086
	eval "read_back $READ_BACK"
fi

status=0
if [ -n "$PAGELOAD" ]; then
	step pageload
	# shellcheck disable=SC2086
	/bin/pageload $PAGELOAD --units $UNITS --report /dev/port/result
	result=$?
	[ $result = 0 ] || status=1
	say "{\"event\":\"pageload-exit\",\"status\":$result}"
fi

if [ -n "$STRESS_NG" ]; then
	step stress-ng
	# shellcheck disable=SC2086
	stress-ng $STRESS_NG --metrics --yaml $STATE/stress.yaml
	result=$?
	[ $result = 0 ] || status=1
	ops=$(sed -n 's/^ *bogo-ops: *\([0-9]*\).*/\1/p' $STATE/stress.yaml | head -n 1)
	say "{\"event\":\"stress-ng\",\"status\":$result,\"ops\":${ops:-0}}"
fi

step swapoff
swapoff "$DEVICE"
result=$?
[ $result = 0 ] || status=1
say "{\"event\":\"swapoff\",\"status\":$result}"

# On SIGTERM the agent gives a last heartbeat: the totals.
step agent-stop
kill -TERM $agent && wait $agent

if [ -n "$server" ]; then
	step server-stop
	kill -TERM $server
	wait $server
	result=$?
	# What it counted, a line of its own if it wrote one.
	[ "$(wc -l <$STATUS_FILE)" -lt 2 ] || say "$(tail -n 1 $STATUS_FILE)"
	say "{\"event\":\"server-exit\",\"status\":$result}"
fi

if [ -n "$TEARDOWN" ]; then
	step teardown
	eval "$TEARDOWN"
	result=$?
	[ $result = 0 ] || status=1
	say "{\"event\":\"teardown\",\"status\":$result}"
fi

if [ -n "$RMMOD" ]; then
	step rmmod
	rmmod "$RMMOD"
	result=$?
	[ $result = 0 ] || status=1
	say "{\"event\":\"rmmod\",\"status\":$result}"
fi
exit $status
