#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will find no memory that the module allocated, that nobody knows any more, and that was not freed.
#
# Where it stands: the last item of each boot of a kernel with kmemleak, and after each test that says leak-check.  The
# module has gone: its frames are bare addresses, told by where it was loaded (/job/state/ranges).

set -u
KMEMLEAK=/sys/kernel/debug/kmemleak
RANGES=/job/state/ranges
MIN_AGE_S=5 # kmemleak's own: it does not speak of what is younger

[ -e $KMEMLEAK ] || {
	echo "expected a kernel with kmemleak, $KMEMLEAK is not there" >&2
	exit 1
}
[ -e $RANGES ] || : >$RANGES

sleep $((MIN_AGE_S + 1))
# The first scan takes checksums; only what did not change until the second is reported.
for _ in 1 2; do
	echo scan >$KMEMLEAK || {
		echo "kmemleak is switched off: $(dmesg | grep kmemleak | tail -n 1)" >&2
		exit 1
	}
done

# An object that is not referenced, and its backtrace: one of ours if a frame is in the module, loaded or gone.
awk -v ranges=$RANGES '
BEGIN {
	while ((getline line <ranges) > 0) {
		split(line, range)
		# Compared as text, all 16 digits: they are no exact numbers to awk.
		first[nr] = "x" range[1]
		last[nr++] = "x" range[2]
	}
}
function ours(line, i) {
	if (line ~ /\+0x/)
		return line ~ /abuse/
	if (!match(line, /0x[0-9a-f]+$/))
		return 0
	address = "x" substr("0000000000000000", 1, 18 - RLENGTH) substr(line, RSTART + 2)
	for (i = 0; i < nr; i++)
		if (address >= first[i] && address < last[i])
			return 1
	return 0
}
function finish() {
	if (hit) {
		found++
		printf "%s", text
	}
	hit = 0
	text = ""
}
/^unreferenced object/ { finish() }
{
	text = text $0 "\n"
	if (/^    / && ours($0))
		hit = 1
}
END {
	finish()
	if (found) {
		printf "expected no leak of the module, found %d\n", found
		exit 1
	}
}' $KMEMLEAK
