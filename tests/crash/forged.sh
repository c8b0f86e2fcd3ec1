#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# Marks that somebody has made up, on files of his own. What recovery does goes by what is written in their tails, not
# by how long they are; it ends; signals come through meanwhile; and leases on such files hold up nobody for long.

PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
lease_time shared
need setfattr getfattr
[ -n "$PYTHON" ] || skip_all 'there is no python3'
library_left_out && skip_all 'without the library nothing is recovered'

# NAME SIZE PIECES: a file of SIZE, with so many pages of zeroes that were written, evenly over it, and a mark that has
# all of it allocated ahead.
cat >"$SCRATCH/forge.py" <<'END_OF_PYTHON'
import os, struct, sys
name, size, pieces = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, b"data")
os.ftruncate(fd, size)
for i in range(pieces):
    os.pwrite(fd, bytes(4096), (i + 1) * (size // (pieces + 1)) // 4096 * 4096)
os.fsync(fd)
def fnv(data):
    found = 2166136261
    for byte in data:
        found = (found ^ byte) * 16777619 & 0xffffffff
    return found
def mark(digest):
    ino = os.fstat(fd).st_ino
    return struct.pack("<HHIIIQ4Q", 0x6171, 0, digest, 7, 0, ino, 0, 0, 0, size)
os.setxattr(fd, "user.preallocate", mark(fnv(mark(0))))
END_OF_PYTHON
forge() {
	"$PYTHON" -S -E "$SCRATCH/forge.py" "$@"
}

is_marked() {
	getfattr -n user.preallocate "$1" >/dev/null 2>&1
}

# FILE [HANDLER]: opens it with a timer that comes in the middle.
cat >"$SCRATCH/open.py" <<'END_OF_PYTHON'
import os, signal, sys
handled = []
if len(sys.argv) > 2:
    signal.signal(signal.SIGALRM, lambda *_: handled.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.01)
fd = os.open(sys.argv[1], os.O_RDWR)
while len(sys.argv) > 2 and not handled:
    pass
print(os.fstat(fd).st_size)
END_OF_PYTHON

sparse() {
	forge "$MNT/sparse.data" $((1 << 42)) 1 || return
	"$PREALLOCATE" recover "$MNT" && [ "$(real_size "$MNT/sparse.data")" = 4 ] && ! is_marked "$MNT/sparse.data"
}

# Counted, not timed: each system call is one for a piece.
work_goes_by_what_is_written() {
	local calls=() length

	for length in 30 40; do # GiB, TiB
		forge "$MNT/long.data" $((1 << length)) 100 || return
		strace -f -c -o "$SCRATCH/calls" "$PREALLOCATE" recover "$MNT/long.data" || return
		calls+=("$(awk '$NF == "total" { print $4 }' "$SCRATCH/calls")")
		rm "$MNT/long.data"
	done
	echo "of 1 GiB ${calls[0]} calls, of 1 TiB ${calls[1]}"
	[ "${calls[1]}" -lt $((calls[0] * 2)) ]
}

# More pieces than are looked through while others wait.
too_much_is_left() {
	forge "$MNT/pieces.data" $((1 << 40)) 5000 || return
	managed zero '*.data' cat "$MNT/pieces.data" 2>"$SCRATCH/told" | head -c 1 >"$SCRATCH/byte"
	cat "$SCRATCH/told"
	is_marked "$MNT/pieces.data" && grep -q 'takes long.*preallocate recover' "$SCRATCH/told"
}

and_recovered_when_asked_for() {
	"$PREALLOCATE" recover "$MNT/pieces.data" && [ "$(real_size "$MNT/pieces.data")" = 4 ]
}

a_signal_ends_the_program() {
	local status

	forge "$MNT/signal.data" $((1 << 40)) 3900 || return
	managed zero '*.data' "$PYTHON" -S -E "$SCRATCH/open.py" "$MNT/signal.data"
	status=$?
	echo "status $status"
	[ $status -eq 142 ] && is_marked "$MNT/signal.data"
}

a_handled_one_does_not() {
	[ "$(managed zero '*.data' "$PYTHON" -S -E "$SCRATCH/open.py" "$MNT/signal.data" handler)" = 4 ] &&
		! is_marked "$MNT/signal.data"
}

the_command_is_ended() {
	local status

	forge "$MNT/command.data" $((1 << 40)) 20000 || return
	"$PREALLOCATE" recover "$MNT/command.data" &
	sleep 0.05
	kill -TERM $!
	wait $!
	status=$?
	echo "status $status"
	[ $status -eq 143 ] && is_marked "$MNT/command.data" || return
	rm "$MNT/command.data"
}

# A lease that is never given back: open(2) waits for lease-break-time.
leases_hold_up_nobody() {
	local since=$SECONDS holder status

	forge "$MNT/leased.data" 1000000 1 || return
	"$PYTHON" -S -E -c 'import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", file=open(sys.argv[2], "w"), flush=True)
signal.pause()' "$MNT/leased.data" "$SCRATCH/leased" &
	holder=$!
	wait_until 20 test -s "$SCRATCH/leased"
	"$PREALLOCATE" recover "$MNT"
	status=$?
	since=$((SECONDS - since))
	kill $holder
	wait $holder
	rm "$SCRATCH/leased" "$MNT/leased.data"
	echo "status $status, after $since s, of lease-break-time $(cat /proc/sys/fs/lease-break-time) s"
	[ $status -eq 1 ] && [ $((since * 2)) -lt "$(cat /proc/sys/fs/lease-break-time)" ]
} 2>/dev/null

forged() { # TYPE
	check "$1: a sparse file of terabytes" sparse
	check "$1: a leased file is left" leases_hold_up_nobody
	check "$1: many pieces are left, with a word about it" too_much_is_left
	check "$1: but recovered when they are asked for" and_recovered_when_asked_for
	check "$1: a signal ends the program that opens" a_signal_ends_the_program
	check "$1: one that is handled doesn't" a_handled_one_does_not
	check "$1: and it ends the command" the_command_is_ended
	if strace -o /dev/null true 2>/dev/null; then
		check "$1: the length of the file costs nothing" work_goes_by_what_is_written
	else
		skip "$1: the length of the file costs nothing" 'strace is not installed, or not allowed'
	fi
}

for_each_filesystem forged
done_testing
