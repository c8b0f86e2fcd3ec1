#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# A guardian that its program has left behind is in nobody's way: PID 1 of a container isn't left with a zombie, an
# executable that the dead has written can be started, and whoever lives on keeps its locks, and no lease of ours.

PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
lease_time shared

ROUNDS=${PREALLOCATE_TEST_ROUNDS:-$(rounds 20)}
library_left_out && skip_all "the library is left out"
export PREALLOCATE_RULES='*.data mode=zero prealloc-size=1M idle=60s'
LIBRARY=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so

orphan() {
	UNDER_LIBRARY=$LIBRARY "$HELPERS/orphan" "$@"
}

never() { # WHAT command...: prints 0, each time
	local what=$1 round said
	shift
	for ((round = 0; round < ROUNDS; round++)); do
		said=$("$@") || return
		[ "$said" = 0 ] || { echo "round $round: $said $what"; return 1; }
	done
}

in_container() { # command...
	UNDER_LIBRARY=$LIBRARY unshare --pid --fork --mount-proc --kill-child "$HELPERS/orphan" init "$@"
}

# No more often than without the library.
not_busy() { # FILE
	local without with

	without=$("$HELPERS/orphan" busy "$1" "$((ROUNDS * 2))") && with=$(orphan busy "$1" "$((ROUNDS * 2))") ||
		return
	echo "busy: $with times, without the library $without"
	[ "$with" -le "$without" ]
}

unhooked() { # FILE
	local pid status=0

	rm -f "$SCRATCH/hold" "$SCRATCH/said"
	mkfifo "$SCRATCH/hold"
	LD_PRELOAD=$LIBRARY "$HELPERS/orphan" unhooked "$1" <"$SCRATCH/hold" >"$SCRATCH/said" &
	pid=$!
	exec 8>"$SCRATCH/hold"
	wait_until 10 test -s "$SCRATCH/said" || status=1
	wait_until 1 is_plain "$1" || { echo "it is still $(stat -c %s "$1") bytes long"; status=1; }
	# Less than half of lease-break-time, or the kernel has taken the lease away.
	timeout "$(($(cat /proc/sys/fs/lease-break-time) / 2))" cat "$1" >/dev/null || {
		echo 'an open waits for a lease that nobody gives back'
		status=1
	}
	! flock -n "$1" true || { echo 'the lock of a living program is gone'; status=1; }
	exec 8>&-
	wait "$pid" || status=1
	return $status
}
is_plain() {
	[ "$(stat -c %s "$1")" -eq 1280 ]
}

each_filesystem() {
	if unshare --pid --fork --mount-proc true 2>/dev/null; then
		check "$1: a PID 1 that waits for its own child alone is left with no zombie, $ROUNDS times" \
			never zombies in_container "$HELPERS/appender" -n 1000 "$SCRATCH/ack" "$MNT/a.data"
	else
		skip "$1: no zombie" "a process namespace needs root"
	fi
	check "$1: an executable whose writer was killed isn't busy" not_busy "$MNT/program.data"
	check "$1: a living program that loses its guardian keeps its lock, and no lease" unhooked "$MNT/locked.data"
}

for_each_filesystem each_filesystem
done_testing
