#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will make the kernel panic, and the tests after it run in a new boot.
#
# module: none
# self-test-expect: oops

echo "last words"
echo c >/proc/sysrq-trigger
