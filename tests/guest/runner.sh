#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1090,SC1091,SC2317 # what is sourced is written by the host; functions go through settle
# The guest's side of tests/run: runs the tests of one plan one after the other and says how each ended.
#
# Where it stands: init > [/job/run] > test.  The plan is /job/items/* (shell assignments, written by the host), one file
# an item, in order.  Hands on two streams:
#   - JSON lines on the result port: ready, start, alive, timeout, ended, test, stuck, spoiled, done;
#   - everything else to the kernel log, hence to the console, in one order with what the kernel says: marks
#     ("abuse-test: begin N NAME", "abuse-test: end N"), what a test prints ("| "), what is dumped here ("# "); what the
#     kernel prints between "abuse-test: dump" and "abuse-test: dumped" was asked for.
# It does not judge: whether a kernel line is bad, and what an exit status means, the host decides.
#
# /job/run watch LIMIT_S ITEM [STALL_S]   is its second form: the watchdog of one test, a process of its own, so that
#                                   it acts even when the first cannot.

set -u
export PATH=/sbin:/bin:/usr/sbin:/usr/bin

STATE=/job/state # on ramfs: nothing of the runner can be swapped out
WORK=/tmp        # a test starts there, in an empty folder
DEBUGFS=/sys/kernel/debug/abuse
OUTPUT_LINES=300 # of a test; the rest is counted
DUMP_LINES=400
SETTLE_CS=500 # exiting processes and deferred closes take their time
# Taints of a kernel that has complained: D, B and W.  After a first report lockdep and KASAN are silent.
SPOILED=$((128 | 32 | 512))
TWIN_FLOOR_S=5  # see limit_of

# tell JSON: one line to the host
tell() {
	printf '%s\n' "$1" >&3
}

# note TEXT: one line to the kernel log
note() {
	printf '<14>%s\n' "$1" >/dev/kmsg
}

# emit PREFIX MAX: standard input to the kernel log; one write is one record, so lines never mix
emit() {
	nr=0
	while IFS= read -r line || [ -n "$line" ]; do
		nr=$((nr + 1))
		# A record takes less than 1 KiB.
		# shellcheck disable=SC3057 # busybox has it
		[ $nr -gt "$2" ] || printf '<14>%s%s\n' "$1" "${line:0:800}"
	done >/dev/kmsg
	[ $nr -le "$2" ] || note "$1... and $((nr - $2)) lines more"
}

# quote TEXT: as a JSON string
quote() {
	[ -n "$1" ] || {
		printf '""'
		return
	}
	printf '"%s"' "$(printf '%s' "$1" | tr '\000-\037' ' ' | sed 's/[\\"]/\\&/g')"
}

# now: sets now_cs, hundredths of a second since boot
now() {
	read -r uptime _ </proc/uptime
	# The 1 in front: 08 would be no octal number.
	now_cs=$((${uptime%.*} * 100 + 1${uptime#*.} - 100))
}

# others: PID:NAME of the programs that are neither init nor the runner's own, nor the service manager's if there is one
others() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v me=$$ -v init="$PPID" -v manager="$MANAGER" '
	{
		pid = $1
		name = $0
		sub(/^[^(]*\(/, "", name)
		sub(/\)[^)]*$/, "", name)
		sub(/^.*\) /, "")
		# state ppid pgrp session tty tpgid flags; 0x200000 is PF_KTHREAD
		parent[pid] = $2
		if ($1 != "Z" && $1 != "X" && int($7 / 2097152) % 2 == 0)
			names[pid] = name
	}
	END {
		for (pid in names) {
			up = pid
			while (up > 1 && up != me && up in parent)
				up = parent[up]
			if (up != me && pid != 1 && pid != init && !(manager != "" && names[pid] ~ /^(systemd-|\(sd-)/))
				printf "%s:%s ", pid, names[pid]
		}
	}'
}

# held: what the module still has in its care, empty if nothing
held() {
	[ -d "$DEBUGFS" ] || return 0
	# One line a counter; "accepted" comes before "ended".
	awk '
	FNR == 1 { device = FILENAME; sub(/\/counters$/, "", device); sub(/.*\//, "", device) }
	/^nr_(lent|queued|waiting) / && $2 != 0 { printf "%s %s=%s; ", device, $1, $2 }
	$1 == "accepted" { accepted = $2 }
	$1 == "ended" && $2 != accepted { printf "%s accepted=%s ended=%s; ", device, accepted, $2 }
	' "$DEBUGFS"/*/counters
}

# dump: stacks and queues, for someone who wants to know why a test hangs
dump() {
	note "abuse-test: dump"
	echo w >/proc/sysrq-trigger
	{
		for process in /proc/[0-9]*; do
			# Kernel threads have no program.
			[ -e "$process/exe" ] || continue
			for task in "$process"/task/*; do
				echo "${task##*/} of ${process##*/} ($(cat "$task/comm")) $(sed -n 's/^State:[[:space:]]*//p' "$task/status")"
				sed 's/^\[<0>\]/   /' "$task/stack"
			done
		done 2>/dev/null
		for file in "$DEBUGFS"/*/requests; do
			[ -e "$file" ] || continue
			# The first line is the heading.
			[ "$(wc -l <"$file")" -gt 1 ] || continue
			echo "$file"
			cat "$file"
			cat "${file%requests}counters"
		done
	} | emit '# ' $DUMP_LINES
	note "abuse-test: dumped"
}

# gone PID: it has ended (a zombie has)
gone() {
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
	case $state in
	'' | Z | X) return 0 ;;
	esac
	return 1
}

# settle COMMAND...: until it succeeds, a bounded time
settle() {
	now
	settle_until_cs=$((now_cs + SETTLE_CS))
	until "$@"; do
		now
		[ "$now_cs" -lt $settle_until_cs ] || return 1
		usleep 50000
	done
}

# breathe: for ever.  KASAN keeps what was freed until somebody allocates who may sleep.  Swapping alone never does (a
# mempool asks without, first), and so a load under pressure ends with all memory full of freed bios.
breathe() {
	while usleep 20000; do
		read -r _ </proc/uptime
	done
}

# progress: sets sign, another one whenever a request was accepted or has ended.  Starts no process.
progress() {
	sign=
	for file in "$DEBUGFS"/*/counters; do
		[ -e "$file" ] || continue
		while read -r name value _; do
			case $name in
			accepted | ended) sign="$sign $value" ;;
			esac
		done <"$file"
	done
}

# wait_out LIMIT_S ITEM STALL_S: until the limit, or until there was no progress for STALL_S; tells the host of progress,
# and in $STATE/pause_cs the longest time without.  Sets stalled.
wait_out() {
	stalled=false
	now
	end_cs=$((now_cs + $1 * 100)) last_cs=$now_cs longest_cs=0 before=none
	while [ $now_cs -lt $end_cs ]; do
		progress
		now
		pause_cs=$((now_cs - last_cs))
		[ $pause_cs -le $longest_cs ] || {
			longest_cs=$pause_cs
			echo $longest_cs >$STATE/pause_cs
		}
		if [ "$sign" != "$before" ]; then
			before=$sign last_cs=$now_cs
			tell "{\"event\":\"alive\",\"item\":$2}"
		elif [ "$3" -gt 0 ] && [ $pause_cs -ge $(($3 * 100)) ]; then
			stalled=true
			return
		fi
		# A second, without a process: there may be no memory for one.
		# shellcheck disable=SC3045 # busybox has it
		read -r -t 1 _ <>$STATE/tick
	done
}

# watch LIMIT_S ITEM [STALL_S]: the watchdog
watch() {
	stalled=false
	if [ -n "${3:-}" ]; then
		wait_out "$@"
	else
		# Not sleep: a process more, and one that is killed in the middle of its fork crashes user-mode Linux, whose
		# flush_tlb_mm() does not know the mark that such a fork leaves among the mappings.
		# shellcheck disable=SC3045 # busybox has it
		read -r -t "$1" _ <>$STATE/tick
	fi
	: >$STATE/timed-out
	tell "{\"event\":\"timeout\",\"item\":$2,\"stalled\":$stalled}"
	note "# time-out after $1 s (stalled: $stalled): stacks and queues follow"
	dump
	read -r pid <$STATE/pid
	kill -9 "-$pid" 2>/dev/null
	if ! settle gone "$pid"; then
		note "# the test cannot be killed: power-off"
		note "abuse-test: end $2"
		tell "{\"event\":\"stuck\",\"item\":$2}"
		poweroff -n -f
	fi
}

# stall_of: sets stall_s: empty: progress does not matter; 0: it is measured only.  A twin may pause as long as its header
# says, and always twice as long as the healthy test did.
stall_of() {
	stall_s=$STALL_S
	[ -n "$stall_s" ] || return 0
	if [ -z "$CONTROL" ]; then
		stall_s=0
	elif [ "$CONTROL" = "$control" ] && [ -n "$control_pause_cs" ]; then
		needed_s=$((2 * control_pause_cs / 100 + 1))
		[ $needed_s -le "$stall_s" ] || stall_s=$needed_s
	else
		stall_s=
	fi
}

# limit_of: sets limit_s.  A twin may take five times what the healthy test took and TWIN_FLOOR_S, not all its limit:
# most twins hang.
limit_of() {
	limit_s=$LIMIT_S
	if [ -n "$CONTROL" ] && [ "$CONTROL" = "$control" ]; then
		short_s=$((TWIN_FLOOR_S + control_cs / 20))
		[ $short_s -ge "$limit_s" ] || limit_s=$short_s
	fi
}

nothing_left() {
	left=$(others)
	in_care=$(held)
	[ -z "$left$in_care" ]
}

all_gone() {
	left=$(others)
	[ -z "$left" ]
}

unloaded() {
	said=$(rmmod abuse 2>&1)
}

# where_loaded: the module's place in memory to $STATE/ranges: leaks are looked for when it has gone
where_loaded() {
	while read -r name size _ _ _ address _; do
		# shellcheck disable=SC3057 # busybox has it
		[ "$name" != abuse ] || printf '%016x %016x\n' "$address" $((address + size)) >>$STATE/ranges
	done </proc/modules
}

# storage_left: a mapping or a mount that a test which failed had no time to take away; the next would find its disk in use
storage_left() {
	for mapping in /sys/block/dm-*; do
		[ ! -e "$mapping" ] || return 0
	done
	grep -q '^/dev/' /proc/mounts
}

# spoiled: the kernel has complained since the boot
spoiled() {
	# Not by read, which takes a byte at a time: a sysctl gives no more than the first.
	taint=$(cat /proc/sys/kernel/tainted)
	[ $((taint & SPOILED)) = $((taint_at_boot & SPOILED)) ] || return 0
	[ -e /proc/lockdep_stats ] || return 1
	grep -q '^ debug_locks: *0' /proc/lockdep_stats
}

# run_test: one item, from insmod to rmmod.  Sets status, setup, dirty, stuck.
run_test() {
	status=0 setup='' dirty='' stuck=false
	# The board of servers that a failed test left belongs to nobody now.
	rm -rf "${WORK:?}"/* $STATE/timed-out $STATE/pid /run/abuse
	if [ -n "$KO" ]; then
		# shellcheck disable=SC2086 # words
		if ! said=$(insmod "$KO" $MODULE_ARGS 2>&1); then
			setup="$said"
			return
		fi
		where_loaded
		if [ -n "$BUSTED" ] && [ "$(cat /sys/module/abuse/parameters/busted)" != "$BUSTED" ]; then
			setup="the module does not say that it is busted=$BUSTED"
		fi
	fi
	if [ ! -x "/tests/$NAME" ]; then
		setup="/tests/$NAME is not there or cannot be run"
	fi
	if [ -z "$setup" ]; then
		run_program
		# What is left is judged before anything is cleaned up: killing a left server would give its requests back.
		if ! settle nothing_left; then
			dirty="${in_care:+in the care of the module: $in_care}${left:+still running: $left}"
			dump
			for process in $left; do
				kill -9 "${process%%:*}" 2>/dev/null
			done
			settle all_gone || stuck=true
		fi
		[ $stuck = true ] || wait $emitter
	fi
	if [ -n "$KO" ] && [ $stuck = false ]; then
		if ! settle unloaded; then
			dirty="$dirty${dirty:+; }$said"
			stuck=true
		fi
	elif [ -z "$KO" ] && [ -z "$BUILTIN" ] && [ -d /sys/module/abuse ]; then
		dirty="$dirty${dirty:+; }the module is still loaded"
		settle unloaded || stuck=true
	fi
	if [ -n "$LEAK_CHECK" ] && [ -z "$setup" ] && [ $stuck = false ]; then
		/job/leaks >$STATE/leaks 2>&1 || dirty="$dirty${dirty:+; }$(tail -n 1 $STATE/leaks)"
		emit '# ' $DUMP_LINES <$STATE/leaks
	fi
}

# run_program: the test itself.  Sets status, emitter; leaves $STATE/timed-out if the watchdog struck.
run_program() {
	emit '| ' $OUTPUT_LINES <$STATE/output &
	emitter=$!
	rm -f $STATE/pause_cs
	# The @ in front of its name: a shutdown that the test asks for is to spare it, too (/job/manager).
	# shellcheck disable=SC2086 # none if empty
	setsid sh -c 'exec -a @/sh /bin/busybox /job/run "$@"' sh watch "$limit_s" "$ITEM" $stall_s </dev/null &
	watchdog=$!
	# In the foreground: a background job would ignore SIGINT and SIGQUIT, and so would all its children.  setsid makes
	# a process group of its own; it execs, so that the pid stays.
	# shellcheck disable=SC2016,SC2086 # for the inner shell; words
	sh -c 'echo $$ >/job/state/pid; cd /tmp || exit 126; exec setsid env "$@"' sh \
		$ENVIRONMENT ${TWIN_ENV:+"$TWIN_ENV"} "/tests/$NAME" </dev/null >$STATE/output 2>&1 3>&-
	status=$?
	if [ -e $STATE/timed-out ]; then
		wait $watchdog
	else
		kill -9 $watchdog
		wait $watchdog 2>/dev/null
	fi
	tell "{\"event\":\"ended\",\"item\":$ITEM,\"status\":$status}"
}

find_disks() {
	for serial in $DISKS; do
		[ ! -e "/dev/$serial" ] || continue
		for disk in /sys/block/*; do
			[ -r "$disk/serial" ] || continue
			# shellcheck disable=SC2015
			[ "$(cat "$disk/serial")" != "$serial" ] || ln -s "${disk##*/}" "/dev/$serial"
		done
		[ -e "/dev/$serial" ] || return 1
	done
}

if [ "${1:-}" = watch ]; then
	shift
	watch "$@"
	exit 0
fi

# Kept open, and handed down to the watchdog: a port has one opener at a time.
exec 3>/dev/port/result || exit 1

DISKS='' MANAGER=''
[ ! -e /job/group ] || . /job/group
if [ -n "$MANAGER" ]; then
	# At a shutdown the root becomes read-only; what lies under /dev is left alone.
	mkdir /dev/shm/state
	ln -s /dev/shm/state $STATE
fi
mkdir -p $STATE $WORK
mkfifo $STATE/output $STATE/tick
taint_at_boot=$(cat /proc/sys/kernel/tainted)
# The log is how we tell what the test and the kernel said, in which order: no line of it may be dropped.
echo on >/proc/sys/kernel/printk_devkmsg
if ! settle find_disks; then
	tell "{\"event\":\"setup\",\"error\":$(quote "a disk of '$DISKS' did not come")}"
	exit 1
fi
# Only a kernel with kmemleak has KASAN, too.
[ ! -e /sys/kernel/debug/kmemleak ] || breathe &
tell '{"event":"ready"}'
control='' control_cs=0 control_pause_cs='' is_spoiled=false
for item in /job/items/*; do
	ITEM=${item##*/}
	NAME='' LIMIT_S=30 KO='' BUILTIN='' MODULE_ARGS='' BUSTED='' TWIN_ENV='' CONTROL='' STALL_S='' LEAK_CHECK='' LAST=''
	ENVIRONMENT=''
	. "$item"
	# The kernel has complained and will not do so again: the rest needs a new one.
	[ $is_spoiled = false ] || [ -n "$LAST" ] || continue
	limit_of
	stall_of
	note "abuse-test: begin $ITEM $NAME"
	tell "{\"event\":\"start\",\"item\":$ITEM,\"limit_s\":$limit_s,\"stall_s\":${stall_s:-0}}"
	now
	start_cs=$now_cs
	run_test
	now
	timed_out=false
	[ ! -e $STATE/timed-out ] || timed_out=true
	if [ -z "$CONTROL" ]; then
		control=$ITEM control_cs=$((now_cs - start_cs)) control_pause_cs=
		[ ! -e $STATE/pause_cs ] || read -r control_pause_cs <$STATE/pause_cs
	fi
	note "abuse-test: end $ITEM"
	tell "{\"event\":\"test\",\"item\":$ITEM,\"status\":$status,\"timeout\":$timed_out,\"ms\":$(((now_cs - start_cs) * 10)),\"setup\":$(quote "$setup"),\"dirty\":$(quote "$dirty"),\"stuck\":$stuck}"
	# Nothing that runs after it could be judged: the host starts anew.
	[ $stuck = false ] || exit 1
	! spoiled || is_spoiled=true
	! storage_left || is_spoiled=true
	# The test has shut the guest down as far as it goes.
	[ ! -e /dev/shm/shutdown ] || is_spoiled=true
done
if [ $is_spoiled = true ]; then
	tell '{"event":"spoiled"}'
	exit 0
fi
tell '{"event":"done"}'
exit 0
