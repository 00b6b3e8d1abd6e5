#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will put a line into the kernel log that it has announced.
#
# module: none
# expected-log: at self/warns-as-announced
# self-test-expect: pass

echo "WARNING: CPU: 0 PID: 1 at self/warns-as-announced.sh" >/dev/kmsg
