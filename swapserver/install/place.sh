# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Where an installation is, and the list of what it has put there; sourced by install and uninstall.  PREFIX and DESTDIR
# from the environment.

PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}

# die TEXT: one line that says what to do
die() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	exit 1
}

case $PREFIX in
/*) ;;
*) die "PREFIX=$PREFIX: an absolute path, please" ;;
esac
case "$PREFIX$DESTDIR" in
*[[:space:]]*) die "PREFIX and DESTDIR without blanks, please" ;;
esac
PREFIX=${PREFIX%/}
DESTDIR=${DESTDIR%/}

# What install has put there, so that uninstall takes away that and nothing else, whatever version it is of.  A line is
# "file PATH", "folder PATH" (made by install; outer ones first) or "dkms NAME/VERSION"; paths without DESTDIR.
LIST=$PREFIX/share/abuse/installed

# lines ARRAY TEXT: an element a line; none if there is no text.  Without <(...), which wants /proc: a chroot may have none.
lines() {
	local -n array=$1
	array=()
	# shellcheck disable=SC2034 # it is the caller's
	[ -z "$2" ] || mapfile -t array <<<"$2"
}

# listed WORD: the rest of the lines that begin with it; nothing if there is no list
listed() {
	[ ! -e "$DESTDIR$LIST" ] || sed -n "s|^$1 ||p" "$DESTDIR$LIST"
}

# dkms_here: is this the machine that it is for, and does it have DKMS?
dkms_here() {
	[ -z "$DESTDIR" ] && command -v dkms >/dev/null
}

# dkms_remove NAME/VERSION...: all that DKMS has of these; it wants their sources in place
dkms_remove() {
	local module
	for module in "$@"; do
		[ -n "$(dkms status "$module")" ] || continue
		dkms remove "$module" --all || die "dkms remove $module failed"
	done
}

# remove_folders: of those in folders, which install made, the ones that are empty; folders is what is left
remove_folders() {
	local i left=()
	# From the inner ones to the outer ones.
	for ((i = ${#folders[@]} - 1; i >= 0; i--)); do
		if [ -d "$DESTDIR${folders[i]}" ] && ! rmdir "$DESTDIR${folders[i]}" 2>/dev/null; then
			left=("${folders[i]}" "${left[@]}")
		fi
	done
	folders=("${left[@]}")
}

# The linker's cache has what is new in a folder, or gone from it, only after this.
linker_cache() {
	[ -z "$DESTDIR" ] && command -v ldconfig >/dev/null || return 0
	ldconfig || echo "ldconfig failed: programs may not find libabuse.so.0"
}
