# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# What the device is used for, and the loads: each a function that runs one and tells how it ended.
#
# Where it stands: job > [loads] > pageload, stress-ng, evict > memory, file system > device.
# Without [load] dirty the device is swap.  With it there is ext4 on the device, for shared mappings of files; if there is
# another load, too, half of the file system is a swap file, which the kernel uses past the file system.
# With read_only, too, the file system is made and filled on the store's disk, before anybody serves it, and mounted for
# reading.

MOUNT=/dirty
SWAP_AREA=$DEVICE

# swaps: whether the arm wants swap at all
swaps() {
	[ -z "$LOAD_DIRTY" ] || { [ -n "$PAGELOAD$STRESS_NG" ] && [ "$LOAD_READ_ONLY" != 1 ]; }
}

# Smaller than any device over that disk.
READ_ONLY_SIZE=640M

use_fill() {
	[ "$LOAD_READ_ONLY" = 1 ] || return 0
	step fill
	modprobe ext4 || failed modprobe-ext4 $?
	mkdir -p $MOUNT
	/sbin/mkfs.ext4 -q -F "$DISK" $READ_ONLY_SIZE || failed mkfs $?
	mount -t ext4 "$DISK" $MOUNT || failed mount $?
	# shellcheck disable=SC2086
	/bin/pageload $LOAD_DIRTY --shared $MOUNT >/dev/null || failed fill $?
	umount $MOUNT || failed umount $?
}

use_mount() {
	if [ "$LOAD_READ_ONLY" = 1 ]; then
		step mount
		mount -t ext4 -o ro "$DEVICE" $MOUNT || failed mount $?
		return 0
	fi
	step mkfs
	modprobe ext4 || failed modprobe-ext4 $?
	/sbin/mkfs.ext4 -q -F "$DEVICE" || failed mkfs $?
	step mount
	mkdir -p $MOUNT
	mount -t ext4 "$DEVICE" $MOUNT || failed mount $?
	swaps || return 0
	SWAP_AREA=$MOUNT/swap
	half_kb=$(df -Pk $MOUNT | awk 'NR == 2 { print int($4 / 2) }')
	fallocate -l $((half_kb << 10)) $SWAP_AREA || failed swap-file $?
	chmod 600 $SWAP_AREA
}

# The device comes into use.
use_start() {
	[ -z "$LOAD_DIRTY" ] || use_mount
	swaps || return 0
	step swapon
	mkswap "$SWAP_AREA" || failed mkswap $?
	swapon "$SWAP_AREA" || failed swapon $?
	cat /proc/swaps
}

# And out of it; status 1 if it does not.
use_end() {
	ended=0
	if swaps; then
		step swapoff
		swapoff "$SWAP_AREA"
		result=$?
		[ $result = 0 ] || ended=1
		say "{\"event\":\"swapoff\",\"status\":$result}"
	fi
	if [ -n "$LOAD_DIRTY" ]; then
		step umount
		umount $MOUNT
		result=$?
		[ $result = 0 ] || ended=1
		say "{\"event\":\"umount\",\"status\":$result}"
	fi
	return $ended
}

load_pageload() {
	# shellcheck disable=SC2086
	(join load && exec /bin/pageload $PAGELOAD --units $UNITS --report /dev/port/result)
	result=$?
	say "{\"event\":\"pageload-exit\",\"status\":$result}"
	return $result
}

load_dirty() {
	only=
	[ "$LOAD_READ_ONLY" != 1 ] || only=--read-only
	# shellcheck disable=SC2086
	(join load && exec /bin/pageload $LOAD_DIRTY $only --shared $MOUNT --units $UNITS --report /dev/port/result)
	result=$?
	say "{\"event\":\"dirty-exit\",\"status\":$result}"
	return $result
}

load_stress() {
	# shellcheck disable=SC2086
	(join load && exec stress-ng $STRESS_NG --metrics --yaml $STATE/stress.yaml)
	result=$?
	ops=$(sed -n 's/^ *bogo-ops: *\([0-9]*\).*/\1/p' "$STATE/stress.yaml" | head -n 1)
	say "{\"event\":\"stress-ng\",\"status\":$result,\"ops\":${ops:-0}}"
	return $result
}

# It reads the device, so it may not come back; nothing else runs then.
load_evict() {
	pid=$(first_line "$SERVER_PID_FILE")
	/bin/evict --pid "${pid:-0}" --device "$DEVICE" --passes "$LOAD_EVICT_PASSES"
}

# load_run STEP FUNCTION: one after the other; the worst status of all is kept in $loads_status
load_run() {
	step "$1"
	"$2" || loads_status=1
}

# loads: all of the arm's, in its order; status 1 if one of them failed
loads() {
	loads_status=0
	if [ "$LOAD_ORDER" = at-once ]; then
		step loads
		pids=
		[ -z "$PAGELOAD" ] || { load_pageload & pids="$pids $!"; }
		[ -z "$LOAD_DIRTY" ] || { load_dirty & pids="$pids $!"; }
		[ -z "$STRESS_NG" ] || { load_stress & pids="$pids $!"; }
		for pid in $pids; do
			wait "$pid" || loads_status=1
		done
	else
		[ -z "$PAGELOAD" ] || load_run pageload load_pageload
		[ -z "$LOAD_DIRTY" ] || load_run dirty load_dirty
		[ -z "$STRESS_NG" ] || load_run stress-ng load_stress
	fi
	[ -z "$LOAD_EVICT_PASSES" ] || load_run evict load_evict
	return $loads_status
}
