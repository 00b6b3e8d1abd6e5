#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will swap under pressure into the memory of a PCI device: a store outside the machine's RAM, to which the
# server needs no system call; a load of 1.15 times the memory is verified word by word.
#
# Where it stands: load > reclaim > bio > queue > ioctl > [server > bar].
#
# time: 900
# busted: env=SERVER_FLAGS=--naive
# twin-limit: 30
# busted: env=LOAD_PERCENT=20
# invariant: I1 I2 I3 I8

# shellcheck disable=SC1091,SC2034 # in the guest; for it
set -u
for device in /sys/bus/pci/devices/*; do
	# QEMU's ivshmem
	[ "$(cat "$device/vendor"):$(cat "$device/device")" != 0x1af4:0x1110 ] || BACKEND=bar,path=$device/resource2
done
# swap/pressure is the long one; all of them as long took CI over half an hour.
[ "$LOAD_PERCENT" -le 115 ] || LOAD_PERCENT=115
. /tests/swap/lib/pressure.sh
