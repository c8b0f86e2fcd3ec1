# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# What comes after a crash, to be sourced after run.sh.
#
#	$RECOVERIES		the ways of recovery (PREALLOCATE_TEST_RECOVERIES)
#	recover HOW DIRECTORY FILE...	of these files, which match *.data*, and of all in DIRECTORY
#				where HOW is the command's
#	marked FILE...		prints the files that still have a mark
#	has_appended ACK...	something is acknowledged in each
#	is_longer ACK FILE...	all of them together are longer than what is acknowledged

read -ra RECOVERIES <<<"${PREALLOCATE_TEST_RECOVERIES:-command library interrupted reader twice}"

recover() {
	local how=$1 directory=$2 prefix file i
	shift 2

	library_left_out && return
	set_prefix zero '*.data*'
	case $how in
	command) "$PREALLOCATE" recover "$directory" ;;
	library)
		for file; do
			"${prefix[@]}" sh -c ': >>"$1"' - "$file" || return
		done
		;;
	reader) "${prefix[@]}" cat -- "$@" >/dev/null ;;
	interrupted)
		for i in 1 2 3 4 5 6; do
			timeout -s KILL "0.00$i" "$PREALLOCATE" recover "$directory" 2>/dev/null
		done
		"$PREALLOCATE" recover "$directory"
		;;
	twice)
		"$PREALLOCATE" recover "$directory" &
		"$PREALLOCATE" recover "$directory" || return
		wait $!
		;;
	esac
}

marked() {
	getfattr -h -n user.preallocate -- "$@" 2>/dev/null | grep '^# file'
}

has_appended() {
	local ack

	for ack; do
		[ -s "$ack" ] && [ "$("$HELPERS/record-check" -b "$ack")" -gt 0 ] || return
	done
}

is_longer() {
	local ack=$1 real
	shift

	real=$(stat -c %s -- "$@" 2>/dev/null | awk '{ n += $1 } END { print n + 0 }')
	[ "$real" -gt $(($("$HELPERS/record-check" -b "$ack") + 65536)) ]
}
