#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will plant a list whose links do not fit together, and the kernel has to say so.
#
# kernels: debug um kcsan
# module: plant
# self-test-expect: log
# self-test-log: list_del corruption

insmod /lib/abuse/abuse-plant.ko fault=list || exit 1
rmmod abuse_plant
