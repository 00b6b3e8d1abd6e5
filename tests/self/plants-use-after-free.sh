#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will plant a read of memory that was freed, and the kernel has to say so.
#
# kernels: debug um
# module: plant
# self-test-expect: log
# self-test-log: KASAN: slab-use-after-free in plant_

insmod /lib/abuse/abuse-plant.ko fault=use-after-free || exit 1
rmmod abuse_plant
