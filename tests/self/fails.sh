#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will fail with a line on stderr.
#
# self-test-expect: fail

echo "expected 1, came 2" >&2
exit 3
