#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set and use
# A file that is settled while the program's sync of it is under way: what isn't on the disk yet is
# brought there before the cut. The filesystem commits the cut's size at once; should the power fail
# then, a file that the program syncs would end in NULs.
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
need strace
strace -qqq -f /bin/true 2>/dev/null || skip_all "strace can't trace here"

TRACE=$SCRATCH/trace
run_options=(--idle 50ms)

settled_under_sync() {
	set_prefix zero '*.data'
	strace -qqq -f -o "$TRACE" -e trace=fsync,ftruncate,sync_file_range \
		-e inject=fsync:delay_enter=700000 "${prefix[@]}" "$HELPERS/appender" -n 5 -s 20000 \
		-Y fsync -E 5 "$SCRATCH/acknowledged" "$MNT/a.data"
}

# The guardian's cut, and what came before it.
written_out_first() {
	sed -nE 's/^[0-9]+ +(<\.\.\. )?(ftruncate|sync_file_range|fsync)\b.*/\2/p' "$TRACE" >"$SCRATCH/calls"
	awk '
	/fsync/ { begun = 1 }
	/sync_file_range/ { written = begun }
	/ftruncate/ && begun { print written ? "written out" : "not written out"; exit }
	' "$SCRATCH/calls"
}

each_filesystem() {
	rm -f "$SCRATCH/acknowledged" "$MNT/a.data"
	check "$1: a program whose file is settled in the middle of its sync" settled_under_sync
	is "$1: its data before the cut" "$(written_out_first)" "written out"
}

for_each_filesystem each_filesystem
done_testing
