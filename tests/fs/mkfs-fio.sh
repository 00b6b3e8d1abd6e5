#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will make an ext4 filesystem on the device, let fio write and verify a file on it past the page cache, check
# the filesystem afterwards, and let fio verify the device itself.
#
# Where it stands: fio > ext4 > bio > queue > ioctl > [server] > backend.
#
# time: 240
# busted: module=short-copy

set -u
DIR=/tmp/mkfs-fio.$$
READY=$DIR/ready
ERRORS=$DIR/errors
MOUNT=$DIR/mnt
DEVICE=/dev/abuse0
COUNTERS=/sys/kernel/debug/abuse/abuse0/counters
mkdir -p $MOUNT
server=

# fail EXPECTED FOUND
fail() {
	echo "mkfs-fio: expected $1, found $2" >&2
	umount $MOUNT 2>/dev/null
	[ -z "$server" ] || kill -9 "$server" 2>/dev/null
	exit 1
}

counter() {
	sed -n "s/^$1  *//p" $COUNTERS
}

live() {
	[ "$(cat /sys/block/${DEVICE#/dev/}/size)" != 0 ]
}

gone() {
	! kill -0 "$server" 2>/dev/null
}

# verify NAME ARGUMENTS...: fio writes, reads and compares
verify() {
	name=$1
	shift
	fio --name="$name" --thread --ioengine=psync --direct=1 --verify=crc32c --do_verify=1 --verify_fatal=1 \
		--verify_state_save=0 --randseed=1 --output=$DIR/fio.log "$@" ||
		fail "fio $name to verify what it wrote" "status $?: $(grep -E 'verify|error|err=' $DIR/fio.log | head -n 3)"
}

# Several options, or none.
# shellcheck disable=SC2086
/bin/swapserver ${SERVER_FLAGS:-} --size 96M --ready $READY /dev/abctl0 ram 2>$ERRORS &
server=$!
tries=200
until { [ -s $READY ] && live; } || gone || [ $tries = 0 ]; do
	tries=$((tries - 1))
	usleep 100000
done
[ -s $READY ] || fail "a server ready within 20 s" "$(cat $ERRORS)"

mkfs.ext4 -q -F -b 4096 $DEVICE >$DIR/log 2>&1 || fail "mkfs.ext4 to work" "status $?: $(tail -n 1 $DIR/log)"
mount -t ext4 $DEVICE $MOUNT || fail "mount to work" "status $?"
verify file --filename=$MOUNT/file --rw=randrw --rwmixread=30 --bsrange=4k-64k --bs_unaligned=0 --size=12M --fsync=64
umount $MOUNT || fail "umount to work" "status $?"
e2fsck -fn $DEVICE >$DIR/log 2>&1 || fail "a clean filesystem" "e2fsck status $?: $(tail -n 3 $DIR/log)"
verify device --filename=$DEVICE --rw=randwrite --bsrange=4k-256k --size=12M

[ "$(counter ended_error)" = 0 ] || fail "no request with an error" "$(counter ended_error)"
[ "$(counter write_bytes)" -ge $((24 << 20)) ] || fail "24 MiB written" "$(counter write_bytes)"
[ "$(counter read_bytes)" -ge $((24 << 20)) ] || fail "24 MiB read" "$(counter read_bytes)"
kill -TERM "$server"
wait "$server"
status=$?
[ $status = 0 ] || fail "the server to end with status 0" "$status: $(cat $ERRORS)"
server=
rm -rf $DIR
