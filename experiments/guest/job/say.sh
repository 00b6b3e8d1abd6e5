# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# What the job tells the host, and how it waits: functions for job.sh and its other parts.

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

# ready_or_dead FILE PID: the file has something in it, or nobody is left who would write it
ready_or_dead() {
	[ -s "$1" ] || gone "$2"
}

# first_line FILE: nothing if there is none
# Not by the shell's read: it asks for a byte at a time, and behind the first one of a file of /proc/sys there is nothing.
first_line() {
	head -n 1 "$1" 2>/dev/null
}

# read_back NAME FILE ...: the first line of each file, all in the result "read-back"; null if there is none
read_back() {
	told='{"event":"read-back"'
	while [ $# -gt 1 ]; do
		value=$(first_line "$2")
		if [ -n "$value" ]; then
			# Neither may stand in a JSON string.
			value=\"$(printf %s "$value" | tr -d '"\134')\"
		else
			value=null
		fi
		told="$told,\"$1\":$value"
		shift 2
	done
	say "$told}"
}
