# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The list swapserver/install/files as lines "MODE SOURCE TARGET"; sourced by install and uninstall, so that what one puts
# there the other takes away.  Wants VERSION and BUILD; PREFIX and DESTDIR from the environment.

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
	sed -e "s|@PREFIX@|$PREFIX|g" -e "s|@VERSION@|$VERSION|g" -e "s|@BUILD@|$BUILD|g" -e "s|@UNITS@|$UNITS|g" \
		-e "s|@RULES@|$RULES|g"
}

# plan [all]: one line a file; with "all" also those whose sources are not there (any more)
plan() {
	local mode source target file all=${1:-}
	while read -r mode source target; do
		# shellcheck disable=SC2231 # a pattern is meant
		for file in $source; do
			if [ ! -e "$file" ] && { [ -z "$all" ] || [[ $source == *'*'* ]]; }; then
				[[ $mode == \?* || -n $all ]] && continue
				die "$file is missing: run make server first"
			fi
			case $target in
			*/) printf '%s %s %s\n' "${mode#\?}" "$file" "$target${file##*/}" ;;
			*) printf '%s %s %s\n' "${mode#\?}" "$file" "$target" ;;
			esac
		done
	done < <(grep -v '^#' swapserver/install/files | fill)
}
