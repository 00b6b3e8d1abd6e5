#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# The guest's job for a measurement: all devices up, side by side, then each line of the plan.
#
# Where it stands: init > [bench.sh] > blockload, swapbench, fio, sampler > device.  What there is to do comes from the host
# (experiments/measure/boot.py): /job/params, /job/devices/* (shell assignments, one file a device, in order), /job/plan
# (a line for each measurement: NUMBER DEVICE TOOL ARGUMENTS...), /job/memory/* (devices to be made, filled, used and
# unmade, to see what memory they take).  What came of it goes to the result port, a line of JSON each:
#   {"event":"clock","result":{...}}   what an instruction takes on the guest's clock
#   {"event":"device","name":N,"path":P,"server":{...},"facts":{...}}   it is up, and what was read back of it
#   {"event":"measured","n":N,"result":{...}}   {"event":"not-measured","n":N,"error":TEXT}
#   {"event":"memory","n":N,...}                {"event":"failed","step":S,"error":TEXT}: the job ends

set -u
# shellcheck disable=SC1091
. /job/params # SERVER_CPUS, SETTLE_MS

STATE=/job/state # on ramfs, which cannot be swapped out
mkdir -p $STATE
path='' pid='' server=''
# Open from here on, and not handed down: a port has one opener at a time, and init is the last.
exec 3>/dev/port/result || exit 1

tell() {
	printf '%s\n' "$1" >&3
}

# quote TEXT: as a JSON string
quote() {
	printf '"%s"' "$(printf '%s' "$1" | tr '\000-\037' ' ' | sed 's/[\\"]/\\&/g')"
}

# failed STEP TEXT: the job ends
failed() {
	tell "{\"event\":\"failed\",\"step\":$(quote "$1"),\"error\":$(quote "$2")}"
	exit 1
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		usleep 50000
	done
}

# shellcheck disable=SC2317 # called through wait_for
ready_or_gone() {
	[ -s "$READY_FILE" ] || gone "$server"
}

# shellcheck disable=SC2317 # called through wait_for
has_capacity() {
	[ "$(cat "/sys/class/block/${path##*/}/size" 2>/dev/null || echo 0)" -gt 0 ]
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

# fact NAME FILE: ,"NAME":"first line" of a file, or null
fact() {
	value=
	if { read -r value <"$2"; } 2>/dev/null; then
		printf ',"%s":%s' "$1" "$(quote "$value")"
	else
		printf ',"%s":null' "$1"
	fi
}

# facts: of the device at $path, and what its arm wants read back, as members of a JSON object
facts() {
	queue=/sys/class/block/${path##*/}/queue
	printf '"size_sectors":%s' "$(cat "/sys/class/block/${path##*/}/size")"
	for name in rotational nr_requests max_sectors_kb write_cache scheduler; do
		fact "queue_$name" "$queue/$name"
	done
	# shellcheck disable=SC2086
	set -- $READ_BACK
	while [ $# -gt 1 ]; do
		fact "$1" "$2"
		shift 2
	done
}

# server_up: starts $SERVER; sets server (what was started) and pid (who serves)
server_up() {
	READY_FILE=$here/ready STATUS_FILE=$here/status
	: >"$STATUS_FILE"
	# exec: the pid is the server's own.
	eval "exec $SERVER" >"$here/log" 2>&1 3>&- 4>&- &
	server=$!
	wait_for 60 ready_or_gone || failed "$NAME" "its server was not ready within 60 s: $(tail -n 1 "$here/log")"
	! gone $server || failed "$NAME" "its server ended: $(tail -n 1 "$here/log")"
	said=$(head -n 1 "$STATUS_FILE")
	# A server may serve from a child: the pid it names counts.
	pid=$(printf '%s' "$said" | sed -n 's/.*"pid" *: *\([0-9][0-9]*\).*/\1/p')
	pid=${pid:-$server}
	[ -n "$SERVER_CPUS" ] || return 0
	for task in "/proc/$pid/task/"*; do
		taskset -p "$SERVER_CPUS" "${task##*/}" >/dev/null || failed "$NAME" "taskset of its server"
	done
}

# device_up FILE: sets NAME, path, server, pid, and keeps them in $STATE/NAME
device_up() {
	NAME='' DISK='' INSMOD='' SETUP='' DEVICE='' SERVER='' READ_BACK='' TEARDOWN=''
	# shellcheck disable=SC1090
	. "$1"
	here=$STATE/$NAME
	rm -rf "$here"
	mkdir -p "$here"
	server='' pid='' said=null
	case $DISK in
	serial:*) DISK=$(find_disk "${DISK#serial:}") || failed "$NAME" "its disk is not there" ;;
	esac
	if [ -n "$INSMOD" ] && [ ! -d /sys/module/abuse ]; then
		# shellcheck disable=SC2086
		insmod $INSMOD || failed "$NAME" "insmod $INSMOD"
	fi
	if [ -n "$SETUP" ]; then
		eval "$SETUP" 3>&- 4>&- || failed "$NAME" "setup: status $?"
	fi
	eval "path=$DEVICE"
	[ -z "$SERVER" ] || server_up
	wait_for 20 has_capacity || failed "$NAME" "$path has no capacity"
	printf 'path=%s\npid=%s\nserver=%s\n' "$path" "$pid" "$server" >"$here/env"
	tell "{\"event\":\"device\",\"name\":\"$NAME\",\"path\":\"$path\",\"server\":$said,\"facts\":{$(facts)}}"
}

# device_down: the one that device_up has just made
device_down() {
	if [ -n "$server" ]; then
		kill -TERM "$server"
		wait "$server" || failed "$NAME" "its server ended with status $?"
	fi
	[ -z "$TEARDOWN" ] || eval "$TEARDOWN" 3>&- 4>&- || failed "$NAME" "teardown: status $?"
	# Configured and bound to a store that is gone, it would refuse the next one.
	[ -z "$INSMOD" ] || rmmod abuse || failed "$NAME" "rmmod abuse: status $?"
}

# run_fio ARGUMENTS...: as the other tools, a line of JSON
run_fio() {
	rm -f $STATE/fio
	fio --name=bench --filename="$path" --output-format=terse --terse-version=3 --output=$STATE/fio "$@" >/dev/null || return
	# Fields of terse version 3: 5 error; 6 to 8 KiB, KiB/s, requests/s read; 47 to 49 the same written.
	awk -F ';' '$1 == 3 && $5 == 0 && $8 + $49 > 0 {
		printf "{\"requests_per_s\":%s,\"kib_per_s\":%s}\n", $8 + $49, $7 + $48
		found = 1
	}
	END { exit !found }' $STATE/fio
}

# measure NUMBER NAME TOOL ARGUMENTS: one line of the plan
measure() {
	number=$1 name=$2 tool=$3 arguments=$4
	# shellcheck disable=SC1090
	. "$STATE/$name/env"
	error=
	case $tool in
	blockload | swapbench)
		# shellcheck disable=SC2086
		result=$("/bin/$tool" --device "$path" ${pid:+--server-pid "$pid"} $arguments 2>$STATE/errors 3>&- 4>&- </dev/null) ||
			error="status $?"
		;;
	sampler)
		# Its arguments: another tool, and that one's.
		# shellcheck disable=SC2086
		result=$(/bin/sampler ${pid:+--server-pid "$pid"} "/bin/${arguments%% *}" --device "$path" ${arguments#* } \
			2>$STATE/errors 3>&- 4>&- </dev/null) || error="status $?"
		;;
	fio)
		# shellcheck disable=SC2086
		result=$(run_fio $arguments 2>$STATE/errors 3>&- 4>&- </dev/null) || error="status $?"
		;;
	*)
		error="unknown tool $tool"
		: >$STATE/errors
		;;
	esac
	[ -z "$server" ] || ! gone "$server" || failed "$name" "its server has gone: $(tail -n 1 "$STATE/$name/log")"
	if [ -z "$error" ]; then
		tell "{\"event\":\"measured\",\"n\":$number,\"result\":$result}"
	else
		tell "{\"event\":\"not-measured\",\"n\":$number,\"error\":$(quote "$tool: $error: $(tail -n 1 $STATE/errors)")}"
	fi
}

# free_kib: memory that nothing needs
free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

# of_server KEY: a number of /proc/PID/status, 0 without a server
of_server() {
	[ -n "$pid" ] || {
		echo 0
		return
	}
	value=$(sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$pid/status")
	echo "${value:-0}"
}

# memory_of FILE: what one device takes: idle, full, and after a load; and whether it gives it back
memory_of() {
	FILL='' LOADS=''
	before=$(free_kib)
	device_up "$1"
	idle=$(free_kib)
	idle_rss=$(of_server VmRSS)
	# shellcheck disable=SC2086
	/bin/blockload --device "$path" $FILL >/dev/null 2>$STATE/errors 3>&- ||
		failed "$NAME" "filling it: $(tail -n 1 $STATE/errors)"
	full=$(free_kib)
	# shellcheck disable=SC2086
	/bin/blockload --device "$path" $LOADS >/dev/null 2>$STATE/errors 3>&- ||
		failed "$NAME" "using it: $(tail -n 1 $STATE/errors)"
	used=$(free_kib)
	line="\"idle_kib\":$((before - idle)),\"full_kib\":$((before - full)),\"used_kib\":$((before - used))"
	line="$line,\"server_rss_idle_kib\":$idle_rss,\"server_rss_kib\":$(of_server VmRSS)"
	line="$line,\"server_locked_kib\":$(of_server VmLck)"
	device_down
	tell "{\"event\":\"memory\",\"n\":${1##*/},$line,\"left_kib\":$((before - $(free_kib)))}"
}

# Work that the boot has left to do would be measured.
usleep "${SETTLE_MS}000"
tell "{\"event\":\"clock\",\"result\":$(/bin/blockload --check-clock 3>&-)}"
for file in /job/memory/*; do
	[ ! -e "$file" ] || memory_of "$file"
done
for file in /job/devices/*; do
	[ ! -e "$file" ] || device_up "$file"
done
usleep "${SETTLE_MS}000"
[ -e /job/plan ] || exit 0
while read -r number name tool arguments <&4; do
	measure "$number" "$name" "$tool" "$arguments"
done 4</job/plan
exit 0
