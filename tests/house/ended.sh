#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A shell test that ends before its last check says with which status, in which command and where, also when it
# is inside a check, in a process namespace of its own, or ended by the time limit.
. "$(dirname "$0")/../lib/tap.sh"

cat >"$SCRATCH/ends.sh" <<'END'
[ "$1" = here ] || [ -n "${INSIDE:-}" ] || INSIDE=1 exec unshare --pid --fork --mount-proc --kill-child bash "$0" "$@"
. "$PREALLOCATE_SRCDIR/tests/lib/tap.sh"
ends() {
	case $1 in
	exit) exit 3 ;;
	unbound) echo "$nothing" ;;
	hangs) sh -c ': >"$STARTED"; exec sleep 1000' ;;
	esac
}
outer() {
	ends "$1"
}
directly() {
	"$@"
}
check "one" true
"${@:3}" outer "$2"
done_testing
END
export STARTED=$SCRATCH/started

# said WHERE HOW CONTEXT...: what it prints besides its checks, and its status
said() {
	env PREALLOCATE_SRCDIR="$PREALLOCATE_SRCDIR" bash "$SCRATCH/ends.sh" "$@" 2>/dev/null </dev/null
	echo "status $?"
}
place="in ends (called in line $(grep -n '^	ends ' "$SCRATCH/ends.sh" | cut -d: -f1)), outer "

# limited WHERE CONTEXT...: the same, ended as the harness does it
limited() {
	local pid where=$1
	shift

	rm -f "$STARTED"
	setsid bash -c 'exec timeout -k 10 1000 bash "$@"' - "$SCRATCH/ends.sh" "$where" hangs "$@" \
		>"$SCRATCH/limited" 2>/dev/null </dev/null &
	pid=$!
	wait_until 10 test -e "$STARTED" || return
	# timeout(1) passes it on, as its own.
	kill -TERM "$pid"
	wait "$pid"
	grep -a '^Bail out!' "$SCRATCH/limited" | grep -aF 'SIGTERM' | grep -aF "at: sh -c ': >\"\$STARTED\"; exec sleep 1000'; $place"
}

contains() { # OUTPUT TEXT
	[[ $1 = *"$2"* ]] || { printf '%s\n' "$1"; return 1; }
}

wheres=(here)
if unshare --pid --fork --mount-proc true 2>/dev/null; then
	wheres+=(namespace)
else
	skip "in a process namespace" "a process namespace needs root"
fi
for where in "${wheres[@]}"; do
	for context in directly 'check two'; do
		# shellcheck disable=SC2086 # words
		output=$(said "$where" exit $context)
		check "$where: an exit, $context" contains "$output" \
			"Bail out! ends.sh ended before its last check, with status 3, at: exit 3; $place"
		is "$where: its status, $context" "${output##*$'\n'}" "status 3"
		# shellcheck disable=SC2086,SC2016
		check "$where: an unbound variable, $context" contains "$(said "$where" unbound $context)" \
			'Bail out! ends.sh ended before its last check, with status 1, at: echo "$nothing"'
		# shellcheck disable=SC2086
		check "$where: the time limit, $context" limited "$where" $context
	done
done
done_testing
