#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2034 # what the sourced files use
# A neighbour doesn't wait for a program whose signal handler sleeps in the middle of an append.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
run_options=(--prealloc-size 4M --idle 60s)
file=$SCRATCH/asleep.dat

# Whoever waited for the handler would come after it; less than lease-break-time (45 s), when nobody waits.
LONG=30

is_asleep() {
	grep -q asleep "$SCRATCH/said"
}

is_awake() {
	kill -USR1 "$program" 2>/dev/null
	grep -q awake "$SCRATCH/said"
}

for round in 1 2 3; do
	rm -f "$file"
	: >"$SCRATCH/said"
	managed_exec zero '*.dat' "$PREALLOCATE_BUILDDIR/tests/preload/asleep" "$file" "$LONG" >"$SCRATCH/said" &
	program=$!
	wait_until 20 is_asleep
	check "round $round: a neighbour reads it" cp "$file" "$SCRATCH/seen"
	check_not "round $round: while the handler sleeps" grep -q awake "$SCRATCH/said"
	check_not "round $round: and sees no NUL" grep -qaP '\0' "$SCRATCH/seen"
	check "round $round: it wakes up" wait_until "$LONG" is_awake
	check "round $round: nothing is lost" wait $program
done
done_testing
