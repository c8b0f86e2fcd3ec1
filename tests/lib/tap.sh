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
#	wait_until SECONDS command args...	until it succeeds; fails after PATIENCE times as long
#	$(patience SECONDS)			the same limit for timeout(1)
#	$(rounds COUNT)				so many repetitions, fewer on a slow machine, at least 1
#	$(slowed COUNT)				so many times as much on a slow machine, for what is compared
#	at_exit command args...			run when the script ends, last registered first
#	done_testing				prints the plan and exits
#
# $SCRATCH is a directory of this script alone, removed at the end.
#
# Limits that only end what hangs are given in seconds of a quiet machine. PREALLOCATE_TEST_PATIENCE (10)
# is how much slower one may be. How slow it is shows in the time that small programs take at the start.

set -u

export PREALLOCATE_TEST_PATIENCE=${PREALLOCATE_TEST_PATIENCE:-10}

tap_checks=0
tap_failures=0
tap_done=
tap_signal=
tap_exit_commands=()

SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/preallocate-test.XXXXXX") || exit 99

# Commands are kept as quoted strings, so that arguments with blanks survive.
at_exit() {
	tap_exit_commands+=("$(printf '%q ' "$@")")
}

# The script's own standard output, also when it ends inside a check, whose output goes elsewhere: the shell
# has kept a copy.
tap_stdout=$(readlink "/proc/$$/fd/1")
tap_restore_stdout() {
	local fd

	[ "$(readlink "/proc/$$/fd/1")" != "$tap_stdout" ] || return 0
	for fd in /proc/$$/fd/*; do
		[ "$(readlink "$fd")" = "$tap_stdout" ] || continue
		exec >&"${fd##*/}"
		return
	done
}

# Where the script is: the functions, from the innermost, and the line where each was called.
tap_place() {
	local i place=

	for ((i = 2; i < ${#FUNCNAME[@]} - 1; i++)); do
		place+="${place:+, }${FUNCNAME[i]} (called in line ${BASH_LINENO[i]})"
	done
	echo "${place:-main}"
}

tap_at_exit() {
	local status=$? i command=$BASH_COMMAND where

	trap - EXIT INT TERM HUP
	tap_restore_stdout
	if [ -z "$tap_done" ]; then
		where=$(tap_place)
		printf 'Bail out! %s ended before its last check, with status %d%s, at: %s; in %s; after %d checks\n' \
			"${0##*/}" "$status" "${tap_signal:+ ($tap_signal)}" "${command//$'\n'/ }" "$where" "$tap_checks"
	fi
	for ((i = ${#tap_exit_commands[@]} - 1; i >= 0; i--)); do
		eval "${tap_exit_commands[i]}"
	done
	# --one-file-system: should a mount have outlived us, its files aren't ours to remove.
	rm -rf --one-file-system "$SCRATCH"
	[ -n "$tap_done" ] || [ "$status" -ne 0 ] || status=99
	exit "$status"
}

trap tap_at_exit EXIT
trap 'tap_signal=SIGHUP; exit 129' HUP
trap 'tap_signal=SIGINT; exit 130' INT
# timeout(1) sends it at the harness's limit (TEST_TIMEOUT).
trap 'tap_signal="SIGTERM (the time limit?)"; exit 143' TERM

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

# /proc/sys/fs/lease-break-time is the machine's: lease_time alone, for who sets it, or lease_time shared, for who
# goes by it; until the script ends.
lease_time() {
	exec {lease_time_lock}>"${TMPDIR:-/tmp}/preallocate-test.lease-time"
	if [ "$1" = alone ]; then
		flock "$lease_time_lock"
	else
		flock -s "$lease_time_lock"
	fi
}

# Ends the script, skipping it, unless all these programs are installed.
need() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
}

patience() {
	echo $(($1 * PREALLOCATE_TEST_PATIENCE))
}

microseconds() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# 30 processes take some 75 ms on a quiet machine.
tap_slowness() {
	local began i

	began=$(microseconds)
	for ((i = 0; i < 30; i++)); do
		env true
	done
	echo $((($(microseconds) - began) / 150000))
}

# Times a quiet machine, at least 1.
slowness() {
	local times

	times=${PREALLOCATE_TEST_SLOWNESS:-$(tap_slowness)}
	[ "$times" -gt 1 ] || times=1
	echo "$times"
}

rounds() {
	local times

	times=$(slowness)
	echo $((($1 + times - 1) / times))
}

slowed() {
	echo $(($1 * $(slowness)))
}

wait_until() {
	local deadline=$(($(microseconds) + $(patience "$1") * 1000000))
	shift
	until "$@"; do
		[ "$(microseconds)" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}
