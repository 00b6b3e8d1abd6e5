#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will plant a lock that interrupts take, too, taken with interrupts on, and the kernel has to say so.
#
# kernels: debug um
# module: plant
# self-test-expect: log
# self-test-log: inconsistent lock state

insmod /lib/abuse/abuse-plant.ko fault=irq-lock || exit 1
rmmod abuse_plant
