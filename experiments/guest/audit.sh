#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# The guest's job for one allocation audit: device and server up as in an arm, requests while allocaudit watches.
#
# Where it stands: init > [job] > server, allocaudit > record.  /job/params has what the arm says (as for job.sh) and AUDIT,
# allocaudit's options; SWAP=1: the requests are swap's, by pageload, else allocaudit's own.  The record goes to /job/out.

set -u
# shellcheck disable=SC1091
. /job/params

STATE=/job/state # on ramfs, which cannot be swapped out
mkdir -p $STATE /job/out
# shellcheck disable=SC2034 # for $SERVER and $AUDIT, expanded by eval
STATUS_FILE=$STATE/status READY_FILE=$STATE/ready

say() {
	tries=0
	until { echo "$1" >/dev/port/result; } 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || break
		usleep 100000
	done
}

# failed NAME STATUS: the step did not work; the job ends
failed() {
	say "{\"event\":\"failed\",\"step\":\"$1\",\"status\":$2}"
	exit 1
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

find_disk() {
	for disk in /sys/block/*; do
		[ -r "$disk/serial" ] || continue
		[ "$(cat "$disk/serial")" = "$1" ] || continue
		echo "/dev/${disk##*/}"
		return 0
	done
	return 1
}

DISK=
if [ -n "$DISK_SERIAL" ]; then
	# shellcheck disable=SC2034 # for $SERVER, $SETUP and $DEVICE, expanded by eval
	DISK=$(find_disk "$DISK_SERIAL") || failed find-disk 1
fi
if [ -n "$INSMOD" ]; then
	# shellcheck disable=SC2086
	insmod $INSMOD || failed insmod $?
fi
eval "DEVICE=$DEVICE"
if [ -n "$SETUP" ]; then
	eval "$SETUP" || failed setup $?
fi

: >$STATUS_FILE
eval "exec $SERVER" &
server_pid=$!
tries=300
until [ -s $READY_FILE ] || gone $server_pid || [ $tries = 0 ]; do
	tries=$((tries - 1))
	usleep 100000
done
if gone $server_pid; then
	wait $server_pid
	failed server $?
fi
[ -s $READY_FILE ] || failed server-ready 124
cat $STATUS_FILE
say "$(head -n 1 $STATUS_FILE)"
tries=100
until [ "$(cat "/sys/block/${DEVICE##*/}/size" 2>/dev/null || echo 0)" != 0 ] || [ $tries = 0 ]; do
	tries=$((tries - 1))
	usleep 100000
done

if [ -n "$SWAP" ]; then
	mkswap "$DEVICE" || failed mkswap $?
	eval "/bin/allocaudit --swap $AUDIT" &
	audit_pid=$!
	swapon "$DEVICE" || failed swapon $?
	# shellcheck disable=SC2086
	/bin/pageload $PAGELOAD --report /dev/port/result || failed pageload $?
	swapoff "$DEVICE" || failed swapoff $?
	wait $audit_pid
else
	eval "/bin/allocaudit $AUDIT"
fi
result=$?
say "{\"event\":\"audited\",\"status\":$result}"

# The record is what counts; the guest is gone in a moment.
kill -TERM $server_pid
wait $server_pid
# 3: done, but something was lost; the record says what.
[ $result = 0 ] || [ $result = 3 ]
