#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will plant two threads that change one number without a lock, and the kernel has to say so.
#
# kernels: kcsan
# module: plant
# self-test-expect: log
# self-test-log: KCSAN: data-race in plant_racer

insmod /lib/abuse/abuse-plant.ko fault=race || exit 1
rmmod abuse_plant
