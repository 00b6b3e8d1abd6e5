#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# The guest's job for one arm: device and server up, in use, loads, out of use, all down again.
#
# Where it stands: init > [job] > agent, server, loads.  What differs between arms comes from /job/params (shell
# assignments that experiments/run writes); what happened goes to the result port as JSON lines.  Its parts lie in job/:
# say, toggles (kernel and control group), loads, disturb (faults and what else goes on beside the loads).
# Nothing here is protected: in an arm that hangs, the shell hangs with it, and the agent and the host tell.

set -u
# shellcheck disable=SC1091
. /job/params

STATE=/job/state # on ramfs, which cannot be swapped out
mkdir -p $STATE /job/out
STATUS_FILE=$STATE/status READY_FILE=$STATE/ready
# shellcheck disable=SC2034 # for the parts
UNITS=$STATE/units SERVER_PID_FILE=$STATE/server.pid BOARD=/run/abuse/abuse0.board

# shellcheck disable=SC1091
. /job/lib/say.sh

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

# hook NAME COMMANDS: shell of the arm's own
hook() {
	[ -n "$2" ] || return 0
	step "$1"
	eval "$2" || failed "$1" $?
}

# shellcheck disable=SC2034 # for the parts, and for the arm's own commands
DISK=$DISK_NODE
if [ -n "$DISK_SERIAL" ]; then
	# shellcheck disable=SC2034 # for the parts, and for the arm's own commands
	DISK=$(find_disk "$DISK_SERIAL") || failed find-disk 1
fi
eval "DEVICE=$DEVICE"
DISK_STAT=/sys/block/${DEVICE##*/}/stat

# shellcheck disable=SC1091
. /job/lib/toggles.sh
# shellcheck disable=SC1091
. /job/lib/loads.sh
# shellcheck disable=SC1091
. /job/lib/disturb.sh

# Where time is counted a guest that hangs is through the next hour at once: its reports would bury what is asked of it.
[ -z "$COUNTED" ] || echo 0 >/proc/sys/kernel/hung_task_timeout_secs
toggles set
disk_map

if [ -n "$INSMOD" ]; then
	step insmod
	# shellcheck disable=SC2086
	insmod $INSMOD || failed insmod $?
	# For a debugger: where the kernel put it.  The kernel wants it read at once.
	say "{\"event\":\"module-text\",\"address\":\"$(cat "/sys/module/$RMMOD/sections/.text" 2>/dev/null)\"}"
fi

step agent
disk=
# What the module counts is better than what the block layer does.
[ "$COUNTERS" = abuse ] || disk="--disk $DISK_STAT"
# shellcheck disable=SC2086
/bin/agent --units $UNITS --watch $SERVER_PID_FILE --board $BOARD $disk &
agent=$!

use_fill
hook setup "$SETUP"

server=
if [ -n "$SERVER" ]; then
	step server
	: >$STATUS_FILE
	# exec: the pid is the server's own.
	{ join server && eval "exec $SERVER"; } &
	server=$!
	# It configures the device, takes its protections and reads them back before it says so.
	wait_for 30 ready_or_dead $READY_FILE $server || failed server-ready 124
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

hook attach "$ATTACH"
use_start
if [ -n "$READ_BACK" ]; then
	# shellcheck disable=SC2086
	eval "read_back $READ_BACK"
fi

status=0
disturb_start
loads || status=1
disturb_end
toggles say
group_say
use_end || status=1
[ -z "$DETACH" ] || eval "$DETACH" || status=1

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
