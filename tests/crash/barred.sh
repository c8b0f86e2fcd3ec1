#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# What can't be allocated ahead isn't tried at every write: on a filesystem that is nearly full, on one
# that is full, and where a quota is used up, a write costs the program a handful of calls a second.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need strace "$PYTHON"
MiB=$((1024 * 1024))
FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}

strace -qq -c -o /dev/null true 2>/dev/null || skip_all "no process may be traced here"

# Writes of one kind, and the seconds that they took, rounded up.
cat >"$SCRATCH/writes.py" <<'END_OF_PYTHON'
import os, sys, time

name, count, size, failing = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == 'fail'
fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
begun = time.monotonic()
failed = 0
for i in range(count):
    try:
        os.write(fd, b'w' * size)
    except OSError:
        failed += 1
os.close(fd)
assert failed == (count if failing else 0), failed
with open(sys.argv[5], 'w') as f:
    print(1 + int(time.monotonic() - begun), file=f)
END_OF_PYTHON

# count_calls MODE or plain, COUNT, SIZE, fit or fail: system calls, the guardian's too, in $calls
count_calls() {
	local mode=$1 prefix=()
	shift

	[ "$mode" = plain ] || set_prefix "$mode" '*.data'
	(
		cd "$MNT" && exec strace -f -qq -c -U name,calls -o "$SCRATCH/calls" "${prefix[@]}" \
			"$PYTHON" "$SCRATCH/writes.py" writes.data "$@" "$SCRATCH/seconds"
	) || return 1
	calls=$(awk '$1 != "name" && $1 != "total" && $2 ~ /^[0-9]+$/ { n += $2 } END { print n }' \
		"$SCRATCH/calls")
	# Not removed: a full XFS makes no new one.
	: >"$MNT/writes.data"
}

# few_calls DESCRIPTION COUNT SIZE HOW PER-WRITE: no more than the plain run, but for as many a write
# and for 20000 in all, since guardians of other tests are looked at, too (strace slows down what it counts: so also for 100 a second)
few_calls() {
	local description=$1 count=$2 size=$3 how=$4 per_write=$5 mode plain_calls most

	check "$description: counted, plain" count_calls plain "$count" "$size" "$how" || return
	plain_calls=$calls
	for mode in $MODES; do
		check "$description: counted, $mode" count_calls "$mode" "$count" "$size" "$how" ||
			continue
		most=$((plain_calls + 20000 + count * per_write + 100 * $(cat "$SCRATCH/seconds")))
		diag "$description: $calls calls in mode $mode, $plain_calls without the library"
		check "$description: few calls in mode $mode" test "$calls" -le "$most" ||
			diag "$(sort -k2 -n -r "$SCRATCH/calls" | head -n 12)"
	done
}

# Leaves so many bytes free.
fill_up() {
	local free

	free=$(stat -f -c '%S %a' "$MNT" | awk '{ printf "%.0f\n", $1 * $2 }')
	[ "$free" -le "$1" ] || fallocate -l $((free - $1)) "$MNT/filler"
}

barred() { # TYPE
	: >"$MNT/writes.data"
	fill_up $((9 * MiB))
	few_calls "$1: nearly full" 5000 100 fit 0
	dd if=/dev/zero of="$MNT/rest" bs=64k 2>/dev/null
	dd if=/dev/zero of="$MNT/rest" bs=4k oflag=append conv=notrunc 2>/dev/null
	few_calls "$1: full" 500 100000 fail 20
}

for type in $FILESYSTEMS; do
	if with_filesystem "$type" 330M; then
		barred "$type"
	else
		skip "$type: barred" "$no_filesystem"
	fi
	release_filesystem
done
done_testing
