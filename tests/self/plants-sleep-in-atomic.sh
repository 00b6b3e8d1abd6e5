#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will plant a function that may sleep under a spinlock, and the kernel has to say so.
#
# kernels: debug um
# module: plant
# self-test-expect: log
# self-test-log: sleeping function called from invalid context

insmod /lib/abuse/abuse-plant.ko fault=sleep-in-atomic || exit 1
rmmod abuse_plant
