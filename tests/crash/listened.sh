#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# Somebody who is asked before each read and open (fanotify(7), as virus scanners do it): the kernel opens the file
# for him, which challenges the lease. Nobody waits for anybody who waits for him: neither a neighbour nor the
# program, and no byte is wrong.
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

[ "$(id -u)" -eq 0 ] || skip_all "fanotify's permission events need root"
# shellcheck disable=SC2034 # run.sh's
run_options=(--idle 300s)

cat >"$SCRATCH/program.py" <<'END_OF_PYTHON'
import os, sys, time, subprocess
path, reads = sys.argv[1], sys.argv[2] == "reads"
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
line = b"a line of text that is appended and synced\n"
slowest = 0
def timed(what):
    global slowest
    began = time.monotonic()
    what()
    slowest = max(slowest, time.monotonic() - began)
def append():
    os.write(fd, line)
    os.fdatasync(fd)
waits = []
for turn in range(2):
    for i in range(20):
        timed(append)
    if reads:
        def read():
            os.lseek(fd, 0, os.SEEK_SET)
            if len(os.read(fd, 100000)) != os.fstat(fd).st_size:
                print("the program reads another size")
        timed(read)
    size = os.fstat(fd).st_size
    began = time.monotonic()
    seen = subprocess.run(["cat", path], capture_output=True, close_fds=True, stdin=subprocess.DEVNULL).stdout
    waits.append(time.monotonic() - began)
    if seen != line * (size // len(line)):
        print("a neighbour sees", len(seen), "bytes of", size)
    if turn == 0:
        time.sleep(1.2)    # the pause after a challenge
    os.close(fd)
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
print("waits %d %d" % (max(waits) * 1000, slowest * 1000), file=sys.stderr)
END_OF_PYTHON

listens() {
	rm -f "$SCRATCH/ready" "$SCRATCH/ears"
	mkfifo "$SCRATCH/ears"
	"$HELPERS/listener" "$MNT" "$SCRATCH/ready" <"$SCRATCH/ears" >"$SCRATCH/asked" &
	listener=$!
	exec 7>"$SCRATCH/ears"
	wait_until 5 test -e "$SCRATCH/ready"
}
listens_no_more() {
	exec 7>&-
	wait "$listener"
	[ "$(cat "$SCRATCH/asked")" -gt 0 ]
}

# in $neighbour_ms and $program_ms
runs() { # MODE reads|appends
	local prefix=()

	[ "$1" = plain ] || set_prefix "$1" '*.data'
	rm -f "$MNT/heard.data"
	timeout "$(patience 60)" "${prefix[@]}" "$PYTHON" -S -E "$SCRATCH/program.py" "$MNT/heard.data" "$2" \
		>"$SCRATCH/out" 2>"$SCRATCH/err" 7>&- || { cat "$SCRATCH/err"; return 1; }
	read -r neighbour_ms program_ms < <(sed -n 's/^waits //p' "$SCRATCH/err")
	cat "$SCRATCH/out"
	[ ! -s "$SCRATCH/out" ]
}

ordinary() { # reads|appends
	runs plain "$1" || return
	plain_neighbour=$neighbour_ms
	plain_program=$program_ms
}

as_soon() { # MODE reads|appends
	runs "$1" "$2" || return
	echo "a neighbour waits $neighbour_ms ms (an ordinary file: $plain_neighbour), the program $program_ms ($plain_program)"
	[ "$neighbour_ms" -le $((100 + 10 * plain_neighbour)) ] &&
		[ "$program_ms" -le $((300 + 10 * plain_program)) ]
}

listened() { # TYPE
	local mode what neighbour_ms program_ms plain_neighbour plain_program

	listens || { skip "$1" "fanotify's permission events can't be had here"; return; }
	for what in appends reads; do
		check "$1: $what, an ordinary file" ordinary $what
		for mode in zero write auto; do
			check "$1: $what, mode $mode: nobody waits" as_soon $mode $what
		done
	done
	check "$1: the listener was asked" listens_no_more
	rm -f "$MNT/heard.data"
}

for_each_filesystem listened
done_testing
