# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The list swapserver/install/files as lines "MODE SOURCE TARGET"; sourced by install, after place.sh.  Wants VERSION,
# PROGRAMS and LIBRARY.

# Where systemd and udev look: under /usr/local for what is built by hand, as they say themselves; /etc is the
# administrator's, and a package's prefix is /usr.
if [ "$PREFIX" = /usr ]; then
	UNITS=/usr/lib/systemd/system
	RULES=/usr/lib/udev/rules.d
else
	UNITS=/usr/local/lib/systemd/system
	RULES=/etc/udev/rules.d
fi

# fill: standard input with the words filled in
fill() {
	sed -e "s|@PREFIX@|$PREFIX|g" -e "s|@VERSION@|$VERSION|g" -e "s|@PROGRAMS@|$PROGRAMS|g" \
		-e "s|@LIBRARY@|$LIBRARY|g" -e "s|@UNITS@|$UNITS|g" -e "s|@RULES@|$RULES|g"
}

# page FILE FOLDER/: a manual page, and a link for each other name that it has
page() {
	local base=${1##*/} names name
	printf '0644 %s %s\n' "$1" "$2$base"
	names=$(sed -n '/^\.SH NAME/{n;s/ *\\-.*//;s/,//g;p;q}' "$1")
	for name in $names; do
		[ "$name" = "${base%.*}" ] || printf 'link %s %s\n' "$base" "$2$name.${base##*.}"
	done
}

# plan: one line a file
plan() {
	local mode source target file list
	list=$(grep -v '^#' swapserver/install/files | fill)
	while read -r mode source target; do
		# shellcheck disable=SC2231 # a pattern is meant
		for file in $source; do
			[ -e "$file" ] || die "$file is missing: run make server library first"
			case $mode:$target in
			page:*) page "$file" "$target" ;;
			*/) printf '%s %s %s\n' "$mode" "$file" "$target${file##*/}" ;;
			*) printf '%s %s %s\n' "$mode" "$file" "$target" ;;
			esac
		done
	done <<<"$list"
}
