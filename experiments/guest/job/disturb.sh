# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# What goes on beside the loads: the arm's fault, a swapoff, processes that come and go.
#
# Where it stands: job > [disturb] > fault, swapcycle, forkexec.  All are started before the loads, while there is memory
# to start them, and ended after them.  The shell puts in no fault itself: it may not get to run (guest/fault).

FAULT_OUT=$STATE/fault.out
fault='' cycle='' forks=''

# The disk of an arm whose disk is to fail lies under a mapping, whose table the fault replaces.
disk_map() {
	[ "$FAULT_KIND" = disk-error ] || return 0
	modprobe dm-mod || failed disk-map $?
	DISK=$(/bin/dm linear store "$DISK") || failed disk-map $?
}

fault_start() {
	[ -n "$FAULT_KIND" ] || return 0
	pid=$(first_line "$SERVER_PID_FILE")
	: >"$FAULT_OUT"
	/bin/fault --kind "$FAULT_KIND" --after-s "${FAULT_AFTER_S:-0}" --after-requests "${FAULT_AFTER_REQUESTS:-0}" \
		--every-s "${FAULT_EVERY_S:-1}" --count "${FAULT_COUNT:-1}" --pid "${pid:-0}" --board "$BOARD" \
		--device "$DEVICE" --disk-stat "$DISK_STAT" --mapping store --disk "$DISK" >"$FAULT_OUT" &
	fault=$!
	wait_for 10 ready_or_dead "$FAULT_OUT" $fault || failed fault 124
	if gone $fault; then
		wait $fault
		failed fault $?
	fi
}

# Before the loads.
disturb_start() {
	fault_start
	if [ "$LOAD_SWAPOFF" = 1 ]; then
		/bin/swapcycle "$SWAP_AREA" &
		cycle=$!
	fi
	if [ -n "$LOAD_FORK_EXEC" ]; then
		# shellcheck disable=SC2086
		(join load && exec /bin/forkexec $LOAD_FORK_EXEC) &
		forks=$!
	fi
}

# After them: each says what it did, and how often.
disturb_end() {
	for pid in $forks $cycle $fault; do
		kill -TERM "$pid" 2>/dev/null
		wait "$pid"
	done
}
