#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will make the guest go away without a word.
#
# module: none
# self-test-expect: died

echo b >/proc/sysrq-trigger
while :; do sleep 1000; done
