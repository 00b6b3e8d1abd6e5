#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will pass, unless it is told to break: then its twin is caught (with the module it does nothing but see that the twin is loaded).
#
# self-test-expect: pass
# busted: env=BROKEN=1
# busted: module=lifo
# self-test-busted: caught

[ -z "${BROKEN:-}" ] || exit 1
broken=$(cat /sys/module/abuse/parameters/busted 2>/dev/null)
[ -z "$broken" ] || {
	echo "expected a healthy module, came busted=$broken" >&2
	exit 1
}
