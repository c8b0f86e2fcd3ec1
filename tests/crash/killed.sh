#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set and use
# SIGKILL at a random moment, whatever the program appends with: with no recovery run, the next
# opener finds every byte that a write had returned for, and the exact size.
#
# PREALLOCATE_TEST_ROUNDS: deaths of each kind of writer on each filesystem (5; 40 for 2,240).

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}
ROUNDS=${PREALLOCATE_TEST_ROUNDS:-$(rounds 5)}
ACK=$SCRATCH/acknowledged
total=0
total_extended=0
run_options=(--prealloc-size 8M)

killed() { # FILES appender-options...
	local files=$1 prefix
	shift

	set_prefix "${mode:-zero}" '*.data*'
	"$HELPERS/killer" -n "$ROUNDS" -w signal:9 -f "$files" "$ACK" "$MNT/killed.data" \
		"${prefix[@]}" "$HELPERS/appender" -n 300000 "$@" "$ACK" "$MNT/killed.data" \
		>"$SCRATCH/killer.out" || { cat "$SCRATCH/killer.out"; return 1; }
}

death_of() { # TYPE NAME FILES appender-options...
	local what="$1: $2, $ROUNDS times" extended=0
	shift 2

	rm -f "$ACK"
	check "$what" killed "$@" && read -r _ extended _ <"$SCRATCH/killer.out"
	total=$((total + ROUNDS))
	total_extended=$((total_extended + extended))
	rm -f "$MNT"/killed.data*
}

deaths() {
	death_of "$1" 'write' 0 -s 40-3000
	death_of "$1" 'O_APPEND' 0 -s 100 -m append
	death_of "$1" 'pwrite' 0 -s 40-3000 -m pwrite
	death_of "$1" 'pwritev2, fsync' 0 -s 4096 -m pwritev2 -Y fsync
	death_of "$1" 'O_DSYNC' 0 -s 40-3000 -m append -Y dsync
	death_of "$1" '4 threads' 0 -s 40-3000 -t 4
	death_of "$1" '4 threads, O_APPEND, fdatasync' 0 -s 40-3000 -t 4 -m append -y
	death_of "$1" 'zeroes at the end' 0 -s 40-9000 -z
	death_of "$1" 'zeroes at the end, pwrite, fdatasync' 0 -s 40-9000 -z -m pwrite -y
	death_of "$1" '20 files' 20 -f 20 -s 40-3000
	death_of "$1" '20 files, 4 threads, zeroes, O_APPEND' 20 -f 20 -t 4 -s 40-9000 -z -m append
	death_of "$1" '20 files, zeroes, fdatasync now and then' 20 -f 20 -s 40-9000 -z -y -E 7
	death_of "$1" 'zeroes by habit, fdatasync' 0 -s 40-3000 -Z -y
	death_of "$1" 'closed and opened again' 5 -f 5 -s 40-3000 -z -r 9
	mode='write' death_of "$1" 'mode write' 0 -s 40-9000 -y
	mode='write' death_of "$1" 'mode write, zeroes at the end' 0 -s 40-9000 -z
	death_of "$1" 'one file after another, synced' 60 -f 60 -q -n 20 -s 40-3000 -m append -y -e hold
}

for_each_filesystem deaths
diag "$total deaths, $total_extended of them with the files longer than their data"
library_left_out || check 'most deaths came while the files were extended' \
	test $((total_extended * 2)) -ge $total
done_testing
