#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs a block server that knows nothing of the laboratory: starts it, attaches its device, reads back what the kernel
# says of its tasks, reports, and on SIGTERM takes all down in reverse.
#
# Where it stands: job > [peer] > server, client > device.  It is the [server] command of arms for nbd; what it says is
# in the form that the job expects of any server (experiments/README.md).  It protects nothing by itself: a peer gets
# what its own switches give it.
#
#   peer.sh --status FILE --ready FILE --device /dev/nbd0 --listening PATH [--pid-file PATH]
#           --attach COMMAND --detach COMMAND -- SERVER...
#
# --listening: is there once the server listens.  --pid-file: the server goes to the background and writes its pid there;
# the task that counts is then the child that it forks for the connection.  --attach may stay in the foreground for as
# long as the device is there, or end at once.

set -u

TRACING=/sys/kernel/tracing
LIMIT_TENTHS=300 # of a second, for each of the things waited for

say() {
	echo "peer: $*" >&2
}

die() {
	say "$*"
	exit 1
}

# wait_for WHAT COMMAND...: until it succeeds; ends the script after the limit
wait_for() {
	what=$1
	shift
	tries=$LIMIT_TENTHS
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "no $what within $((LIMIT_TENTHS / 10)) s"
		usleep 100000
	done
}

# field PID KEY: the number behind KEY in /proc/PID/status; 0 if there is none
field() {
	number=$(sed -n "s/^$2:[^0-9]*\([0-9][0-9]*\).*/\1/p" "/proc/$1/status" 2>/dev/null)
	echo "${number:-0}"
}

# task_flags PID: the PF_ flags that all its threads have, as a decimal number
task_flags() {
	common=
	for stat in "/proc/$1/task/"*/stat; do
		# After the name, which may hold anything: state ppid pgrp session tty tpgid flags
		line=$(sed 's/.*) //' "$stat" 2>/dev/null) || continue
		# shellcheck disable=SC2086
		set -- $line
		[ $# -gt 7 ] || continue
		[ -n "$common" ] || common=$7
		common=$((common & $7))
	done
	echo "${common:-0}"
}

# child_of PID: its first child; nothing if it has none
child_of() {
	for stat in /proc/[0-9]*/stat; do
		line=$(sed 's/.*) //' "$stat" 2>/dev/null) || continue
		parent=${line#* }
		if [ "${parent%% *}" = "$1" ]; then
			stat=${stat#/proc/}
			echo "${stat%/stat}"
			return
		fi
	done
}

yes_no() {
	if [ "$1" -gt 0 ]; then echo true; else echo false; fi
}

# oom_exempt PID
oom_exempt() {
	[ "$(cat "/proc/$1/oom_score_adj" 2>/dev/null)" = -1000 ] && echo true || echo false
}

# How often the kernel marked a socket as one that may use the reserves: no system call tells whether it did.
count_memalloc_start() {
	# Small, or enabling the event costs megabytes for good.
	echo 4 >$TRACING/buffer_size_kb
	echo "p:peer/sk_memalloc sk_set_memalloc" >$TRACING/kprobe_events &&
		echo 1 >$TRACING/events/peer/sk_memalloc/enable
}

count_memalloc_end() {
	sed -n 's/^ *sk_memalloc  *\([0-9][0-9]*\).*/\1/p' $TRACING/kprobe_profile
	echo 0 >$TRACING/events/peer/sk_memalloc/enable
	echo >$TRACING/kprobe_events
}

alive() {
	kill -0 "$1" 2>/dev/null
}

status_file='' ready_file='' device='' listening='' pid_file='' attach='' detach=''
while [ $# -gt 0 ]; do
	case $1 in
	--status) status_file=$2 ;;
	--ready) ready_file=$2 ;;
	--device) device=$2 ;;
	--listening) listening=$2 ;;
	--pid-file) pid_file=$2 ;;
	--attach) attach=$2 ;;
	--detach) detach=$2 ;;
	--)
		shift
		break
		;;
	*) die "unknown option $1" ;;
	esac
	shift 2
done
for wanted in "$status_file" "$ready_file" "$device" "$listening" "$attach" "$*"; do
	[ -n "$wanted" ] ||
		die "want --status, --ready, --device, --listening, --attach and a server (see the head of this script)"
done

"$@" &
started=$!
server=$started
# shellcheck disable=SC2317 # called through wait_for
listens() {
	[ -n "$pid_file" ] || alive "$started" || die "the server ended before it listened"
	[ -e "$listening" ]
}
wait_for "$listening" listens
if [ -n "$pid_file" ]; then
	wait_for "pid in $pid_file" test -s "$pid_file"
	read -r server <"$pid_file"
fi
parent=$server

counted=
count_memalloc_start && counted=yes
# Not through $(...): a client in the foreground stays.
# shellcheck disable=SC2086
$attach &
client=$!
name=${device##*/}
# shellcheck disable=SC2317
has_capacity() {
	[ "$(cat "/sys/block/$name/size")" -gt 0 ]
}
wait_for "capacity of $device" has_capacity
marked=0
[ -z "$counted" ] || marked=$(count_memalloc_end)
if [ -n "$pid_file" ]; then
	serving=$(child_of "$server")
	server=${serving:-$server}
fi

# The client may have gone to the background, or be gone: the kernel names the task that set the device up.
named=$(cat "/sys/block/$name/pid" 2>/dev/null)
if [ -n "$named" ] && alive "$named"; then
	client=$named
fi
client_json='"client_pid":null,"client_locked_kb":0'
client_mlock=false client_oom=false
if alive "$client"; then
	client_locked_kb=$(field "$client" VmLck)
	client_mlock=$(yes_no "$client_locked_kb")
	client_oom=$(oom_exempt "$client")
	client_json="\"client_pid\":$client,\"client_locked_kb\":$client_locked_kb"
fi
flags=$(task_flags "$server")
locked_kb=$(field "$server" VmLck)
# include/linux/sched.h: PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE, both; PF_MEMALLOC
flusher=false
[ $((flags & 0x180000)) != $((0x180000)) ] || flusher=true
memalloc=$(yes_no $((flags & 0x800)))
echo "{\"event\":\"server\",\"pid\":$server,\"device\":\"$device\",\"task_flags\":\"$(printf '0x%x' "$flags")\"," \
	"\"locked_kb\":$locked_kb,\"resident_kb\":$(field "$server" VmRSS)," \
	"\"threads\":$(field "$server" Threads),$client_json,\"sockets_marked\":${marked:-0}," \
	"\"protections\":{\"mlock\":$(yes_no "$locked_kb"),\"oom\":$(oom_exempt "$server"),\"flusher\":$flusher," \
	"\"memalloc\":$memalloc,\"client_mlock\":$client_mlock,\"client_oom\":$client_oom," \
	"\"sk_memalloc\":$(yes_no "${marked:-0}")}}" >>"$status_file"
echo ready >"$ready_file"

# Nothing here runs while the device is used: one wait, which the signal ends.
ending=
trap 'ending=yes' TERM
waits_for=$started
if [ -n "$pid_file" ]; then
	sleep 86400 &
	waits_for=$!
fi
wait "$waits_for"
status=0
[ -n "$ending" ] || {
	say "the server has gone"
	status=1
}
[ "$waits_for" = "$started" ] || kill "$waits_for"
# shellcheck disable=SC2086
[ -z "$detach" ] || $detach || status=1
! alive "$parent" || kill -TERM "$parent"
[ -n "$pid_file" ] || wait "$started"
exit $status
