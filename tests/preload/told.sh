#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set and use
# Every row of the table in libpreallocate(7) of what can still be told: shown here, beside what a
# plain file answers. tests/house/told.sh compares the rows of both.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

TOLD=$PREALLOCATE_BUILDDIR/tests/preload/told
library_left_out && skip_all "the library is left out"

# ask MODE WHAT: prints the answer on a plain file (MODE plain) or a managed one
ask() {
	rm -f "$MNT/told.dat"
	if [ "$1" = plain ]; then
		(cd "$MNT" && plain "$TOLD" "$2")
	else
		(cd "$MNT" && managed "$1" '*.dat' "$TOLD" "$2")
	fi </dev/null 2>&1
}

# row NAME MODE WHAT PLAIN MANAGED: the row is true: what either of both answers
row() {
	is "$1: a plain file" "$(ask plain "$3")" "$4"
	is "$1: a managed file, mode $2" "$(ask "$2" "$3")" "$5"
}

# Somebody else looks at what a program holds extended.
start_holder() {
	rm -f "$MNT/told.dat" "$SCRATCH/fifo"
	mkfifo "$SCRATCH/fifo"
	(cd "$MNT" && managed_exec zero '*.dat' "$TOLD" hold) <"$SCRATCH/fifo" >"$SCRATCH/pid" &
	holder=$!
	exec 8>"$SCRATCH/fifo"
	wait_until 10 test -s "$SCRATCH/pid"
}
end_holder() {
	exec 8>&-
	wait "$holder"
}

open_at_once() {
	"$PYTHON" -S -E -c 'import os, sys
for i in range(2):
    try:
        os.close(os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK))
        print("opened", os.stat(sys.argv[1]).st_size)
    except OSError as e:
        print(e.strerror)
    __import__("time").sleep(0.2)' "$MNT/told.dat"
}

guardian_of() { # FILE: the guardian that has it open
	local pid

	for pid in $(pgrep -x preallocate-gua); do
		find "/proc/$pid/fd" -lname "$1" -printf "$pid\n" 2>/dev/null
	done
}

from_outside() {
	start_holder
	is "outside-stat: stat(1) sees the real size" \
		"$([ "$(stat -c %s "$MNT/told.dat")" -gt 8192 ] && echo more)" more
	is "guardian: one more process" "$(guardian_of "$MNT/told.dat" | wc -l)" 1
	is "guardian: no child of the program" "$(pgrep -c -P "$holder")" 0
	is "lease: a line in /proc/locks" "$(grep -c "LEASE.*$(locks_name "$MNT/told.dat") " /proc/locks)" 1
	is "nonblock: the first try, and the second" "$(open_at_once)" \
		$'Resource temporarily unavailable\nopened 8192'
	end_holder
}

# As /proc/locks names a file: other tests' have the same inode numbers on other filesystems.
locks_name() {
	printf '%02x:%02x:%d' "$(stat -c %Hd "$1")" "$(stat -c %Ld "$1")" "$(stat -c %i "$1")"
}

other_libc() {
	if musl-gcc -o "$SCRATCH/other" -x c - 2>/dev/null <<<'int main(void) { return 7; }'; then
		# shellcheck disable=SC2016 # for the shell that is started
		"$PREALLOCATE" run -m x -- sh -c '"$1" || exit' other "$SCRATCH/other" 2>"$SCRATCH/out"
		is "libc: runs without it" "$? $(cat "$SCRATCH/out")" "7 "
		LD_PRELOAD=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so "$SCRATCH/other" 2>/dev/null
		is "libc: by the path alone it doesn't start" "$?" 127
	else
		skip "libc: runs without it" "no musl-gcc"
	fi
}

static_program() {
	local program

	for program in /sbin/ldconfig /bin/busybox; do
		ldd "$program" 2>&1 | grep -Eq 'statically linked|not a dynamic' || continue
		"$PREALLOCATE" run -m '*.dat' -- "$program" >"$SCRATCH/out" 2>&1
		is "static: refused" "$? $(grep -c 'statically linked' "$SCRATCH/out")" "125 1"
		return
	done
	skip "static: refused" "no statically linked program here"
}

on_tmpfs() {
	if with_filesystem tmpfs; then
		row write-only zero read-write plain extended
		row write-only zero write-only plain plain
	else
		skip "write-only: mode keep on tmpfs" "$no_filesystem"
	fi
	release_filesystem
}

# Where a cut frees the space, and FIEMAP answers.
if ! with_filesystem ext4; then
	skip_all "$no_filesystem"
fi
run_options=(--prealloc-size 4M --idle 30s)
row blocks zero blocks "as many" more
row bare zero bare "fstat 8192, bare the same" "fstat 8192, bare more"
row bare-append zero bare-append "at the end" "at the offset"
row fdinfo zero fdinfo "F_GETFL O_APPEND, fdinfo O_APPEND" "F_GETFL O_APPEND, fdinfo none"
row descriptors zero descriptors "64 of 64" "63 of 64"
row address-space zero address-space "none, none" "512 KiB, 5 MiB"
row seccomp zero seccomp "plain, then plain" "extended, then plain"
row fiemap zero fiemap "to the end" "to the end"
row fiemap keep fiemap "to the end" "behind the end"
row free-space zero free-space "misses what was written" "misses more"
from_outside
run_options=(--prealloc-size 4M --idle 500ms)
row ctime zero ctime "mtime stays, ctime stays" "mtime stays, ctime moves"
release_filesystem
other_libc
static_program
run_options=(--prealloc-size 4M --idle 30s)
on_tmpfs
done_testing
