#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will read the results of every suite of the module, and find all of their cases run and none failed.
#
# time: 30
# module: kunit
# busted: module=requeue-behind
# busted: module=accept-stale
# busted: module=lose-on-release
# busted: module=requeue-copying
# invariant: I1 I2 I5

set -u
RESULTS=/sys/kernel/debug/kunit
MIN_CASES=8 # fewer: some were not run

# "    1..N" announces N cases; each gives "    ok K name" or "    not ok K name", with what it expected before it.
cat $RESULTS/abuse-*/results | awk -v min=$MIN_CASES '
{ print }
/^    1\.\.[0-9]+/ { sub(/^    1\.\./, ""); announced += $1 }
/^    ok [0-9]+/ { ok++; if (/# SKIP/) skipped++ }
/^    not ok [0-9]+/ { failed++ }
END {
	printf "%d cases announced, %d ok, %d failed, %d skipped\n", announced, ok, failed, skipped
	if (failed || skipped || ok != announced || ok < min) {
		printf "expected all of at least %d cases ok\n", min
		exit 1
	}
}'
