#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will leave a program behind.
#
# module: none
# self-test-expect: dirty

setsid sleep 1000 </dev/null >/dev/null 2>&1 &
# shellcheck disable=SC2086
until [ "$(cat /proc/$!/comm)" = sleep ]; do usleep 10000; done
