#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will leave the module in use, so that it cannot be unloaded.
#
# self-test-expect: dirty

# The same process stays, as the first parent of a mount does: a loop device holds it.
modprobe loop || exit 1
losetup /dev/loop0 /dev/abuse0
