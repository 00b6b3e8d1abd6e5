#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will plant a timer that is stopped and was never set up, and the kernel has to say so.
#
# kernels: debug
# module: plant
# self-test-expect: log
# self-test-log: ODEBUG: assert_init not available

insmod /lib/abuse/abuse-plant.ko fault=object || exit 1
rmmod abuse_plant
