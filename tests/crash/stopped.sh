#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# A guardian that stands still holds up neither its program nor that program's signals, and takes nothing away when
# it goes on: frozen by a control group, in which no signal ends it (version 1), or any (version 2); stopped.

# In a process namespace of its own every guardian that is seen belongs to this test.
[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || ! unshare --pid --fork --mount-proc true 2>/dev/null ||
	PREALLOCATE_TEST_NAMESPACE=1 exec unshare --pid --fork --mount-proc --kill-child bash "$0"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/cgroup.sh"

[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || skip_all "a process namespace needs root"
library_left_out && skip_all "the library is left out"
with_filesystem ext4 || skip_all "$no_filesystem"
export PREALLOCATE_RULES='*.data mode=zero prealloc-size=1M idle=600s'
LIBRARY=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so
FILE=$MNT/stopped.data

no_guardian() {
	! grep -lqs '^preallocate-gua' /proc/[0-9]*/comm
}

start() { # HOW: $pid closes its file when a byte comes through descriptor 8; $guardian
	rm -f "$FILE" "$SCRATCH/hold" "$SCRATCH/said"
	mkfifo "$SCRATCH/hold"
	LD_PRELOAD=$LIBRARY "$HELPERS/turncoat" "$1" "$FILE" <"$SCRATCH/hold" >"$SCRATCH/said" 2>"$SCRATCH/err" &
	pid=$!
	exec 8>"$SCRATCH/hold"
	wait_until 10 test -s "$SCRATCH/said" || return
	read -r guardian <"$SCRATCH/said"
	[ "$guardian" -gt 0 ] && is_extended "$FILE" 1280
}

stand_still() { # HOW
	case $1 in
	frozen) echo "$guardian" >"$group/cgroup.procs" && freeze_group ;;
	stopped) kill -STOP "$guardian" ;;
	esac
}
go_on() { # HOW
	case $1 in
	frozen) thaw_group ;;
	stopped) kill -CONT "$guardian" 2>/dev/null || true ;;
	esac
}

# The program's bytes, and in the end no more than those.
as_written() {
	wait_until 10 no_guardian || { echo 'a guardian is left'; return 1; }
	[ "$(head -c 1280 "$FILE" | tr -d r | wc -c)" -eq 0 ] || return
	"$PREALLOCATE" recover "$MNT" && is_size 1280
}
is_size() {
	[ "$(stat -c %s "$FILE")" -eq "$1" ] || { stat -c 'size %s' "$FILE"; return 1; }
}

terminated() { # HOW
	local status=0

	start waits && stand_still "$1" || return
	echo >&8
	wait_until 10 grep -q closing "$SCRATCH/said"
	sleep 0.3
	kill -TERM "$pid"
	wait_until 1 ended "$pid" || { echo 'SIGTERM does nothing'; kill -KILL "$pid"; status=1; }
	wait "$pid" 2>/dev/null
	exec 8>&-
	go_on "$1"
	as_written || status=1
	return $status
}
ended() {
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

handled() { # HOW
	local status=0

	start handles && stand_still "$1" || return
	echo >&8
	wait_until 10 grep -q closing "$SCRATCH/said"
	kill -TERM "$pid"
	# Given up after some seconds, or ended; a handler is to be called then.
	wait_until 15 ended "$pid" || { echo 'close(2) waits for ever'; kill -KILL "$pid"; status=1; }
	wait "$pid" 2>/dev/null || status=1
	grep -q handled "$SCRATCH/said" || status=1
	cat "$SCRATCH/said" "$SCRATCH/err"
	exec 8>&-
	# Nobody has changed the size without the guardian, which may still be about to.
	go_on "$1"
	as_written || status=1
	return $status
}

both() { # HOW
	check "$1: SIGTERM ends the program" terminated "$1"
	check "$1: a handler is called, and the call ends" handled "$1"
}

both stopped
for version in 2 1; do
	case $version in
	1) tops=(/sys/fs/cgroup/freezer) ;;
	2) tops=(/sys/fs/cgroup /sys/fs/cgroup/unified) ;;
	esac
	if new_group "${tops[@]}"; then
		diag "control groups, version $version"
		both frozen
		remove_group
	else
		skip "frozen" "a control group of version $version that can be frozen can't be made here"
	fi
done
done_testing
