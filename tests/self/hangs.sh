#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will sleep for ever, and fail without a twin, so that its twin proves nothing.
#
# time: 2
# self-test-expect: timeout
# busted: env=BROKEN=1
# self-test-busted: missed

while :; do sleep 1000; done
