#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will print what would be bad if the kernel said it, and very much of it.
#
# module: none
# self-test-expect: pass

echo "BUG: this is only what a test prints"
seq 1 2000
