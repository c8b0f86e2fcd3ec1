# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The command's words and exit statuses, to be sourced after tap.sh.
#
#	says "a description" STATUS "TEXT" args...	preallocate args... exits with STATUS and prints
#							exactly TEXT on standard error
#	prints "a description" STATUS "TEXT" args...	the same, on standard output

PREALLOCATE_BUILDDIR=${PREALLOCATE_BUILDDIR:-$PWD}
PREALLOCATE=${PREALLOCATE:-$PREALLOCATE_BUILDDIR/preallocate}
[ -x "$PREALLOCATE" ] || skip_all "$PREALLOCATE is not built"

# Neither the machine's configuration nor the caller's rules are part of the test.
unset PREALLOCATE_RULES PREALLOCATE_REPORT PREALLOCATE_LOG PREALLOCATE_LOG_FILE LD_PRELOAD
export PREALLOCATE_CONFIG=

# Another user; needs root, and a path to $SCRATCH that is open to all.
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all "$@"
}
nobody_comes_here() {
	[ "$(id -u)" -eq 0 ] && chmod 755 "$SCRATCH" && as_nobody test -x "$SCRATCH/." 2>/dev/null
}

answers() {
	local description=$1 wanted=$2 status=$3 expected=$4 got
	shift 4
	"$PREALLOCATE" "$@" >"$SCRATCH/.out" 2>"$SCRATCH/.err" </dev/null
	got=$?
	is "$description" "$(cat "$SCRATCH/.$wanted")
exit status $got" "$expected
exit status $status"
}

says() {
	local description=$1 status=$2 line=$3
	shift 3
	answers "$description" err "$status" "${line:+preallocate: $line}" "$@"
}

prints() {
	local description=$1 status=$2 text=$3
	shift 3
	answers "$description" out "$status" "$text" "$@"
}
