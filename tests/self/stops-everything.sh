#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will stop the runner and its watchdog, so that only the host can tell.
#
# time: 3
# self-test-expect: silent

kill -STOP -1
while :; do sleep 1000; done
