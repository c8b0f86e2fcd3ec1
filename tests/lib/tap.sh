# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Test Anything Protocol for shell tests. Source it first:
#
#	. "$(dirname "$0")/../lib/tap.sh"
#
#	check "a description" command args...	ok if the command succeeds
#	check_not "a description" command ...	ok if it fails
#	is "a description" "$got" "$expected"	ok if both strings are the same
#	skip "a description" "the reason"	a check that can't run here
#	skip_all "the reason"			nothing can run here: ends the script
#	diag "a remark"
#	at_exit command args...			run when the script ends, last registered first
#	done_testing				prints the plan and exits
#
# $SCRATCH is a directory of this script alone, removed at the end.

set -u

tap_checks=0
tap_failures=0
tap_done=
tap_exit_commands=()

SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/preallocate-test.XXXXXX") || exit 99

# Commands are kept as quoted strings, so that arguments with blanks survive.
at_exit() {
	tap_exit_commands+=("$(printf '%q ' "$@")")
}

tap_at_exit() {
	local status=$? i

	trap - EXIT INT TERM HUP
	for ((i = ${#tap_exit_commands[@]} - 1; i >= 0; i--)); do
		eval "${tap_exit_commands[i]}"
	done
	# --one-file-system: should a mount have outlived us, its files aren't ours to remove.
	rm -rf --one-file-system "$SCRATCH"
	if [ -z "$tap_done" ]; then
		printf 'Bail out! %s ended before its last check\n' "${0##*/}"
		[ "$status" -ne 0 ] || status=99
	fi
	exit "$status"
}

trap tap_at_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

tap_ok() {
	tap_checks=$((tap_checks + 1))
	printf 'ok %d - %s\n' "$tap_checks" "$1"
}

tap_not_ok() {
	tap_checks=$((tap_checks + 1))
	tap_failures=$((tap_failures + 1))
	printf 'not ok %d - %s\n' "$tap_checks" "$1"
}

# The command runs in this shell, so a function may set variables.
check() {
	local description=$1 status
	shift
	"$@" >"$SCRATCH/.check" 2>&1 </dev/null
	status=$?
	if [ "$status" -eq 0 ]; then
		tap_ok "$description"
		return 0
	fi
	tap_not_ok "$description"
	diag "exit status $status of: $*"
	tail -n 40 "$SCRATCH/.check" | tr -d '\000' | sed 's/^/# /'
	return 1
}

check_not() {
	local description=$1
	shift
	if "$@" >"$SCRATCH/.check" 2>&1 </dev/null; then
		tap_not_ok "$description"
		diag "succeeded, should have failed: $*"
		tail -n 40 "$SCRATCH/.check" | tr -d '\000' | sed 's/^/# /'
		return 1
	fi
	tap_ok "$description"
}

is() {
	if [ "$2" = "$3" ]; then
		tap_ok "$1"
		return 0
	fi
	tap_not_ok "$1"
	diag "     got: $2"
	diag "expected: $3"
	return 1
}

skip() {
	tap_checks=$((tap_checks + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_checks" "$1" "$2"
}

skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	tap_done=1
	exit 0
}

done_testing() {
	printf '1..%d\n' "$tap_checks"
	tap_done=1
	[ "$tap_failures" -eq 0 ]
	exit
}

# Ends the script, skipping it, unless all these programs are installed.
need() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
}

# Waits until a command succeeds: wait_until SECONDS command args...
wait_until() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + ${1}000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}
