#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2034,SC2154 # what the sourced files use and set
# overlayfs says that it is overlayfs, whatever lies below: with a tmpfs there, the tail of a file opened
# for writing only can't be proved empty, as on tmpfs itself. So that one is in mode keep.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

TOLD=$PREALLOCATE_BUILDDIR/tests/preload/told
run_options=(--prealloc-size 4M --idle 30s)

with_filesystem tmpfs || skip_all "$no_filesystem"
BELOW=$MNT
mkdir "$BELOW/lower" "$BELOW/upper" "$BELOW/work"
for i in 1 2 3; do
	seq "$i" 4000 >"$BELOW/lower/$i.dat"
done
MNT=$BELOW/merged
filesystem_mount "$MNT" mount -t overlay -o \
	"lowerdir=$BELOW/lower,upperdir=$BELOW/upper,workdir=$BELOW/work" preallocate-test ||
	skip_all "$no_filesystem"

# told WHAT: "extended" or "plain"; what it wrote is there in the end
told() {
	rm -f "$MNT/told.dat"
	(cd "$MNT" && managed zero '*.dat' "$TOLD" "$1") 2>&1
	[ "$(tr -d b <"$MNT/told.dat" | wc -c) $(real_size "$MNT/told.dat")" = "0 8192" ] ||
		echo "and the file is another one"
}

library_left_out || {
	is "a file opened for writing only is in mode keep" "$(told write-only)" plain
	is "one opened for both is extended" "$(told read-write)" extended
}

# Copied up when it is opened, and written by each kind of descriptor.
cat >"$SCRATCH/append.py" <<'END_OF_PYTHON'
import os, sys

def append(name, flags):
    fd = os.open(name, flags | os.O_CREAT, 0o640)
    os.lseek(fd, 0, os.SEEK_END)
    for i in range(200):
        os.write(fd, b'%099d\n' % i)
        if i % 50 == 49:
            print(name, os.fstat(fd).st_size, os.stat(name).st_size)
        if i == 120:
            os.pwrite(fd, b'within', 50)
        if i == 150:
            os.ftruncate(fd, 7777)
            os.lseek(fd, 0, os.SEEK_END)
        if i == 170:
            with open(name, 'rb') as other:
                print(len(other.read()))
    os.close(fd)

append(sys.argv[1] + '/1.dat', os.O_WRONLY)
append(sys.argv[1] + '/2.dat', os.O_RDWR)
append(sys.argv[1] + '/3.dat', os.O_WRONLY | os.O_APPEND)
append(sys.argv[1] + '/new-write.dat', os.O_WRONLY)
append(sys.argv[1] + '/new-both.dat', os.O_RDWR | os.O_APPEND)
END_OF_PYTHON

# Afresh for each way: the upper layer is thrown away.
ends() { # MODE
	local directory=$BELOW/$1

	mkdir -p "$directory/upper" "$directory/work" "$directory/merged"
	filesystem_mount "$directory/merged" mount -t overlay -o \
		"lowerdir=$BELOW/lower,upperdir=$directory/upper,workdir=$directory/work" \
		preallocate-test || return 1
	cd "$directory/merged" || return 1
	if [ "$1" = plain ]; then
		plain "$PYTHON" "$SCRATCH/append.py" .
	else
		managed "$1" '*.dat' "$PYTHON" "$SCRATCH/append.py" .
	fi >"$SCRATCH/$1.out" 2>&1
	cd / || return 1
	cat "$SCRATCH/$1.out"
	[ "$(wc -l <"$SCRATCH/$1.out")" -eq 25 ]
}

same() { # MODE
	ends "$1" && diff "$SCRATCH/plain.out" "$SCRATCH/$1.out" &&
		compare_trees "$BELOW/plain/merged" "$BELOW/$1/merged"
}

check "appends and cuts: without the library" ends plain
for mode in $MODES; do
	check "appends and cuts: mode $mode" same "$mode"
done
done_testing
