#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will skip.
#
# self-test-expect: skip

echo "there is nothing to do here"
exit 77
