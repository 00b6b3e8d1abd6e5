#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will let the fuzzer run twice with the same seed, and find an actor do the same operations both times; then
# replay some of them, and find the actor do these and no others.
#
# Where it stands: [fuzzer] > /dev/abctlN, /dev/abuseN, sysfs > module.
#
# The actor is the one that reads and writes attributes: what it says of an operation depends on nothing that it finds.
#
# time: 180
# busted: env=SEED_AGAIN=8
# busted: env=REPLAYED=40-49
# not-on: debug it is the same program there, and does a handful of operations in these seconds
# not-on: kcsan it is the same program there, and does a handful of operations in these seconds

set -u
SEED=7
ACTOR=17
SECONDS_EACH=4
COMPARED=60 # operations
FROM=20 TO=29
: "${SEED_AGAIN:=$SEED}" "${REPLAYED:=$FROM-$TO}"

# fuzz SEED LOG OPTION...: what the actor says of its operations, to LOG
fuzz() {
	seed=$1 log=$2
	shift 2
	/bin/abuse-fuzz --seconds $SECONDS_EACH --seed "$seed" --verbose "$@" >/tmp/all 2>&1 || {
		echo "seed $seed $*: expected no findings, found status $?" >&2
		grep -v '^op ' /tmp/all | tail -n 20 >&2
		exit 1
	}
	grep "^op $ACTOR\." /tmp/all >"$log"
}

# same ONE OTHER WHAT
same() {
	cmp -s "$1" "$2" || {
		diff "$1" "$2" | head -n 10 >&2
		echo "$3: expected the same operations, found others" >&2
		exit 1
	}
}

fuzz $SEED /tmp/first
fuzz "$SEED_AGAIN" /tmp/again
for run in first again; do
	nr=$(wc -l </tmp/$run)
	[ "$nr" -ge $COMPARED ] || {
		echo "the actor's operations: expected $COMPARED or more, found $nr" >&2
		exit 1
	}
	head -n $COMPARED /tmp/$run >/tmp/$run.head
done
same /tmp/first.head /tmp/again.head "seed $SEED, twice"

awk -F '[. ]' -v from=$FROM -v to=$TO '$3 >= from && $3 <= to' /tmp/first >/tmp/wanted
[ -s /tmp/wanted ] || {
	echo "operations $FROM to $TO: expected some, found none" >&2
	exit 1
}
fuzz $SEED /tmp/replayed --replay "$ACTOR:$REPLAYED"
same /tmp/wanted /tmp/replayed "a replay of $ACTOR:$FROM-$TO"
echo "$COMPARED operations the same, $(wc -l </tmp/replayed) of them again"
