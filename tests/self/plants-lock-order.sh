#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# This test will plant two locks that are taken in both orders, and the kernel has to say so.
#
# kernels: debug um
# module: plant
# self-test-expect: log
# self-test-log: possible circular locking dependency

insmod /lib/abuse/abuse-plant.ko fault=lock-order || exit 1
rmmod abuse_plant
