#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# Programs that are rough with us, and to which somebody is rough: no byte lost, no wrong size, and
# no waiting for ever. Each kind PREALLOCATE_TEST_ROUNDS times (3).

# In a process namespace of its own every guardian that is seen belongs to this test.
[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || ! unshare --pid --fork --mount-proc true 2>/dev/null ||
	PREALLOCATE_TEST_NAMESPACE=1 exec unshare --pid --fork --mount-proc --kill-child bash "$0"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || skip_all "a process namespace needs root"
ROUNDS=${PREALLOCATE_TEST_ROUNDS:-$(rounds 3)}
# shellcheck disable=SC2034 # run.sh's
run_options=(--prealloc-size 4M)

survive() { # HOW
	local round prefix

	set_prefix zero '*.data'
	for ((round = 0; round < ROUNDS; round++)); do
		timeout -s KILL "$(patience 60)" "${prefix[@]}" "$HELPERS/rough" "$1" "$MNT/rough.data" || return
	done
}

no_guardian() {
	! grep -lqs '^preallocate-gua' /proc/[0-9]*/comm
}

rough() { # TYPE
	local how

	for how in killed-close killed-dup killed-fork killed-stat killed-busy closed fork seccomp \
		seccomp-first seccomp-only jump handler-fork stop-world; do
		check "$1: $how" survive "$how"
	done
	check "$1: no guardian is left" wait_until 3 no_guardian
	rm -f "$MNT/rough.data" "$MNT/rough.data.more.data" "$MNT/rough.data.leased"
}

for_each_filesystem rough
done_testing
