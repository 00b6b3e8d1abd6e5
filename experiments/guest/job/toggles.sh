# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# Switches of the guest's kernel and its control group: set, and what the kernel then has, told to the host.
#
# Where it stands: job > [toggles] > kernel.  Nothing is told that was not read: a write that the kernel refuses shows in
# the value.  They are set before the device comes into use, and told again after the loads, for the kernel changes some
# of them by itself.

VM=/proc/sys/vm
LRU=/sys/kernel/mm/lru_gen/enabled
GROUPS_ROOT=/sys/fs/cgroup
GROUP=$GROUPS_ROOT/arm

# toggle_say NAME VALUE: a number, or null if there is none to be read
toggle_say() {
	case $2 in
	'' | *[!0-9]*) say "{\"event\":\"toggle\",\"name\":\"$1\",\"value\":null}" ;;
	*) say "{\"event\":\"toggle\",\"name\":\"$1\",\"value\":$2}" ;;
	esac
}

# vm_toggle set|say NAME VALUE [FILE]: one of /proc/sys/vm; without VALUE the arm has no wish
vm_toggle() {
	[ -n "$3" ] || return 0
	[ "$1" != set ] || echo "$3" >"$VM/${4:-$2}"
	toggle_say "$2" "$(first_line "$VM/${4:-$2}")"
}

# mglru set|say: the kernel has a bit for each of its parts; the first is the whole
mglru() {
	[ -n "$VM_MGLRU" ] || return 0
	if [ "$1" = set ]; then
		if [ "$VM_MGLRU" = 1 ]; then echo y >$LRU; else echo n >$LRU; fi
	fi
	bits=$(first_line $LRU)
	toggle_say mglru "${bits:+$((bits & 1))}"
}

# mib VALUE: of bytes; "max", and what is no number, stays as it is
mib() {
	case $1 in
	'' | *[!0-9]*) echo "$1" ;;
	*) echo $(($1 >> 20)) ;;
	esac
}

# group_limit set|say KEY MIB
group_limit() {
	[ -n "$3" ] || return 0
	[ "$1" != set ] || echo $(($3 << 20)) >"$GROUP/memory.$2"
	toggle_say "cgroup_memory_$2_mib" "$(mib "$(first_line "$GROUP/memory.$2")")"
}

# toggles set|say
toggles() {
	mglru "$1"
	vm_toggle "$1" page_cluster "$VM_PAGE_CLUSTER" page-cluster
	vm_toggle "$1" min_free_kbytes "$VM_MIN_FREE_KBYTES"
	vm_toggle "$1" swappiness "$VM_SWAPPINESS"
	# In this order: the kernel halves a background ratio that is not below the other.
	vm_toggle "$1" dirty_ratio "$VM_DIRTY_RATIO"
	vm_toggle "$1" dirty_background_ratio "$VM_DIRTY_BACKGROUND_RATIO"
	[ -n "$CGROUP_MEMORY_MAX_MIB$CGROUP_MEMORY_HIGH_MIB" ] || return 0
	if [ "$1" = set ]; then
		echo +memory >$GROUPS_ROOT/cgroup.subtree_control
		mkdir -p $GROUP
	fi
	group_limit "$1" max "$CGROUP_MEMORY_MAX_MIB"
	group_limit "$1" high "$CGROUP_MEMORY_HIGH_MIB"
}

# join WHAT: the calling (sub)shell, and all that it starts, belong to the arm's group if that holds WHAT, load or server
join() {
	[ -n "$CGROUP_MEMORY_MAX_MIB$CGROUP_MEMORY_HIGH_MIB" ] || return 0
	case ${CGROUP_HOLDS:-load} in
	"$1" | both) echo 0 >$GROUP/cgroup.procs ;;
	esac
}

# group_say: what the group held, and how often its limit acted
group_say() {
	[ -n "$CGROUP_MEMORY_MAX_MIB$CGROUP_MEMORY_HIGH_MIB" ] || return 0
	peak=$(first_line $GROUP/memory.peak)
	told="{\"event\":\"cgroup\",\"peak_bytes\":${peak:-0}"
	while read -r key count; do
		told="$told,\"$key\":$count"
	done <$GROUP/memory.events
	say "$told}"
}
