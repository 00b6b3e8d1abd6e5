#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will swap under pressure into the server's own memory, compressed: a load of 1.15 times the memory, a fifth of
# each page noise, verified word by word, comes to its end, and the server has taken no page fault.
#
# Where it stands: load > reclaim > bio > queue > ioctl > [server > lz4].
#
# time: 900
# busted: env=STORE=4M
# twin-limit: 30
# busted: env=LOAD_PERCENT=20
# invariant: I1 I2 I3 I8

# shellcheck disable=SC1091,SC2034 # in the guest; for it
set -u
BACKEND=lz4,store=${STORE:-64M}
BACKEND_FLAGS="--size 256M"
LOAD_FLAGS="--noise 20"
# swap/pressure is the long one; all of them as long took CI over half an hour.
[ "$LOAD_PERCENT" -le 115 ] || LOAD_PERCENT=115
. /tests/swap/lib/pressure.sh
