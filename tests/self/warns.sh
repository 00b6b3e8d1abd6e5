#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will pass, but put a line into the kernel log that looks like a warning.
#
# module: none
# self-test-expect: log

echo "WARNING: CPU: 0 PID: 1 at self/warns.sh" >/dev/kmsg
