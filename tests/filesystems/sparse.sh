#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# A hole stays a hole: what a program leaves out has no blocks of ours when the file is closed, in every mode,
# however it goes past the end.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

# shellcheck disable=SC2034 # run.sh's
run_options=(--prealloc-size 2M --prealloc-align 1M)
RECORDS=30

cat >"$SCRATCH/sparse.py" <<'END_OF_PYTHON'
import os, sys
path, how, gap, synced, records = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "synced", int(sys.argv[5])
flags = os.O_RDWR | os.O_CREAT | (os.O_APPEND if how == "append" else 0)
fd = os.open(path, flags, 0o644)
other = os.open(path, os.O_RDWR) if how == "two" else fd
source = os.memfd_create("source") if how == "sendfile" else os.open(path + ".source", os.O_RDWR | os.O_CREAT, 0o644)
os.write(source, b"x" * 4096)
at = 0
for i in range(records):
    data = b"x" * (4096 if i % 3 else 1000)
    if how in ("pwrite", "two"):
        os.pwrite(fd if i % 2 else other, data, at)
    elif how == "seek":
        os.lseek(fd, at, os.SEEK_SET)
        os.write(fd, data)
    elif how in ("trunc", "append"):
        os.ftruncate(fd, at)
        os.write(fd, data) if how == "append" else os.pwrite(fd, data, at)
    elif how == "path":
        os.truncate(path, at)
        os.pwrite(fd, data, at)
    elif how == "fallocate":
        os.posix_fallocate(fd, at, 4096)
        os.pwrite(fd, data, at)
    elif how == "copy":
        os.copy_file_range(source, fd, len(data), 0, at)
    elif how == "copy-on":
        os.lseek(fd, at, os.SEEK_SET)
        os.copy_file_range(source, fd, len(data), 0)
    elif how == "sendfile":
        os.lseek(fd, at, os.SEEK_SET)
        os.sendfile(fd, source, 0, len(data))
    elif how == "splice":
        there, here = os.pipe()
        os.write(here, data)
        os.splice(there, fd, len(data), offset_dst=at)
        os.close(there)
        os.close(here)
    # now and then something behind it, so that more is allocated ahead
    os.pwrite(fd, b"y" * 700, at + len(data)) if how != "append" else os.write(fd, b"y" * 700)
    if synced:
        os.fdatasync(fd)
    at += len(data) + 700 + gap
os.ftruncate(fd, at + 3 * gap)
os.close(fd)
if other != fd:
    os.close(other)
END_OF_PYTHON

made() { # MODE HOW GAP SYNCED: the file's blocks of 512 bytes, and where its data are
	local prefix=()

	[ "$1" = plain ] || set_prefix "$1" '*.data'
	rm -f "$MNT/$1.data" "$MNT/$1.data.source"
	"${prefix[@]}" "$PYTHON" -S -E "$SCRATCH/sparse.py" "$MNT/$1.data" "$2" "$3" "$4" "$RECORDS" || return
	stat -c %b "$MNT/$1.data" >"$SCRATCH/$1.blocks"
	cmp "$MNT/plain.data" "$MNT/$1.data"
}

as_sparse() { # HOW GAP SYNCED
	local mode plain managed status=0

	made plain "$@" || return
	read -r plain <"$SCRATCH/plain.blocks"
	# Open twice, nothing can be given back: once there are blocks of ours, then none any more.
	[ "$1" != two ] || plain=$((plain + 3 * 2048 * 2))
	for mode in zero write keep auto; do
		made $mode "$@" || { echo "$mode: other bytes"; status=1; }
		read -r managed <"$SCRATCH/$mode.blocks"
		# A block a record; btrfs keeps whole what it has allocated once.
		[ "$managed" -le $((plain + RECORDS * 8)) ] ||
			{ echo "$mode: $((managed / 2)) KiB, without the library $((plain / 2))"; status=1; }
	done
	return $status
}

sparse() { # TYPE
	local how gap

	for gap in 1 100 5000 8192 65536 1048576 4194304; do
		for how in pwrite seek trunc append path two fallocate copy copy-on sendfile splice; do
			check "$1: gaps of $gap bytes by $how" as_sparse $how $gap no
		done
	done
	check "$1: gaps of 64 KiB by pwrite, synced" as_sparse pwrite 65536 synced
	check "$1: gaps of 64 KiB by seek, synced" as_sparse seek 65536 synced
	rm -f "$MNT"/*.data "$MNT"/*.source
}

for_each_filesystem sparse
done_testing
