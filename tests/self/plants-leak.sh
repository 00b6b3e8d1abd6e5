#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will plant memory that nobody knows any more, and kmemleak has to find it when the module has gone.
#
# kernels: debug
# module: plant
# leak-check: yes
# self-test-expect: dirty
# self-test-log: expected no leak of the module, found 1

insmod /lib/abuse/abuse-plant.ko fault=leak || exit 1
# As the runner does for the module that it loads.
while read -r name size _ _ _ address _; do
	[ "$name" != abuse_plant ] || printf '%016x %016x\n' "$address" $((address + size)) >>/job/state/ranges
done </proc/modules
rmmod abuse_plant
