#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will swap under pressure on a server that sends each request on to a raw disk: no page enters it, the load of
# 1.15 times the memory is verified word by word, and the device carried it by clones.
#
# Where it stands: load > reclaim > bio > queue > ioctl > [server > forward] > disk.
#
# time: 900
# busted: env=SERVER_FLAGS=--naive
# twin-limit: 30
# busted: env=LOAD_PERCENT=20
# invariant: I1 I2 I3 I8 I11

# shellcheck disable=SC1091,SC2034 # in the guest; for it
set -u
BACKEND=forward,path=/dev/store
# swap/pressure is the long one; all of them as long took CI over half an hour.
[ "$LOAD_PERCENT" -le 115 ] || LOAD_PERCENT=115
. /tests/swap/lib/pressure.sh
