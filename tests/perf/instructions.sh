#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will count the instructions of a request on the device, served from memory, and on brd in the same boot, and
# find the ratio no more than 3% above what was recorded (lib/limits.sh).
#
# Where it stands: blockload > bio > queue > ioctl > server > completion.  The guest's clock counts instructions of both
# processors, so that the host's load is not seen; against brd, so that neither is a newer kernel.
#
# time: 120
# busted: module=slow

# shellcheck source=tests/perf/lib/perf.sh
. /tests/perf/lib/perf.sh
# shellcheck source=tests/perf/lib/limits.sh
. /tests/perf/lib/limits.sh
BRD=/dev/ram0
# Three times each, one after the other: the middle one counts.
TIMES="1 2 3"
TOLERANCE_PERCENT=3
# What is left over from the boot would be counted: so long after it nothing is.
SETTLE_MS=6000
# An instruction is 2000 ps of this clock; timer interrupts take their part.
PS_MIN=1990 PS_MAX=2020

ps=$(/bin/blockload --check-clock --cpus $LOAD_CPUS | number ps_per_instruction)
if [ "$ps" -lt $PS_MIN ] || [ "$ps" -gt $PS_MAX ]; then
	fail "a clock on which an instruction is 2000 ps" "$ps"
fi
modprobe brd rd_nr=1 rd_size=65536 || fail "brd to load" "status $?"
server_start

# cost DEVICE MODE DEPTH: sets cost, the nanoseconds of a thousand requests
cost() {
	run /bin/blockload --device "$1" --rw "$2" --depth "$3" --requests 1024 --area 2M >$DIR/said
	ns=$(number ns <$DIR/said)
	requests=$(number requests <$DIR/said)
	cost=$((ns * 1000 / requests))
}

# ratio MODE DEPTH: sets found, the middle one of three, in thousandths
ratio() {
	: >$DIR/ratios
	for _ in $TIMES; do
		cost $BRD "$1" "$2"
		brd=$cost
		cost $DEVICE "$1" "$2"
		echo $((cost * 1000 / brd)) >>$DIR/ratios
	done
	found=$(sort -n $DIR/ratios | sed -n 2p)
}

run /bin/blockload --device $BRD --rw randread --requests 64 --area 2M --settle-ms $SETTLE_MS >/dev/null
wrong=
record=
for mode in randread randwrite; do
	for depth in 1 8 32; do
		ratio $mode $depth
		record="$record$mode $depth $found
"
		recorded=$(echo "$LIMITS" | awk -v mode=$mode -v depth=$depth '$1 == mode && $2 == depth { print $3 }')
		[ -z "${RECORD:-}" ] || continue
		[ -n "$recorded" ] || fail "$mode at depth $depth in perf/lib/limits.sh" \
			"nothing: tests/run --kernel 6.12 --env RECORD=1 perf/instructions prints what to put there"
		echo "progress: $mode, depth $depth: $found thousandths of brd's, recorded $recorded"
		if [ $((found * 100)) -gt $((recorded * (100 + TOLERANCE_PERCENT))) ]; then
			wrong="$wrong $mode/$depth: $found;"
		elif [ $((found * (100 + TOLERANCE_PERCENT))) -lt $((recorded * 100)) ]; then
			echo "progress: that is better: record it (lib/limits.sh)"
		fi
	done
done
server_stop
modprobe -r brd || fail "brd to unload" "status $?"
if [ -n "${RECORD:-}" ]; then
	echo "$record" | while read -r line; do
		[ -z "$line" ] || echo "progress: $line"
	done
	exit 0
fi
[ -z "$wrong" ] || fail "at most $TOLERANCE_PERCENT% above what was recorded" "thousandths of brd's:$wrong"
