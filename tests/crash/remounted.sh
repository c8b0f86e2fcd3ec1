#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# A filesystem that is shut down and mounted again on a machine that runs on: a disk that was pulled, an I/O
# error. What was in the page cache is gone, and the end of a file comes from what is on the disk alone: no NULs
# behind its data, and all that was synced.

# A copy of our mounts in another namespace would keep the filesystem.
[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || ! unshare --mount true 2>/dev/null ||
	PREALLOCATE_TEST_NAMESPACE=1 exec unshare --mount bash "$0"
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/cgroup.sh"

[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || skip_all "a mount namespace needs root"
new_group || skip_all "no control group can be made here"
# shellcheck disable=SC2034 # run.sh's
run_options=(--prealloc-size 1M --prealloc-align 64k --idle 60s)

# Its journal reaches the disk, with the size, the mark and the allocation; what was written doesn't:
# FS_IOC_SHUTDOWN, FS_SHUTDOWN_FLAGS_LOGFLUSH.
shut_down() {
	"$PYTHON" -S -E -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 1))' "$MNT"
}

is_ready() {
	[ -s "$SCRATCH/ready" ]
}

# It appends lines: as many as are synced, then others, and says so.
cat >"$SCRATCH/lines.py" <<'END_OF_PYTHON'
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
def append(lines):
    for i in range(lines):
        os.write(fd, b"a line of just sixty-four bytes, of which none is a NUL byte ...\n")
for step in range(int(sys.argv[2])):
    append(16)
    os.fdatasync(fd)
synced = os.fstat(fd).st_size
append(int(sys.argv[3]))
print(synced, file=open(sys.argv[4], "w"), flush=True)
time.sleep(1000)
END_OF_PYTHON

# What was there before may be somebody's who hasn't synced it.
cat >"$SCRATCH/found.py" <<'END_OF_PYTHON'
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_APPEND)
for i in range(20):
    os.write(fd, b"y" * 50000)
print("ready", file=open(sys.argv[2], "w"), flush=True)
time.sleep(1000)
END_OF_PYTHON

commit_metadata() {
	"$PYTHON" -S -E -c 'import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, b"x")
os.fsync(fd)' "$MNT/other"
}

# It is extended (with little to write out), and what is left has no NULs.
found_ends_right() { # MODE MIB
	local prefix file=$MNT/found.data

	set_prefix "$1" '*.data'
	rm -f "$SCRATCH/ready"
	head -c "$2M" /dev/zero | tr '\0' x >"$file"
	(in_group "${prefix[@]}" "$PYTHON" -S -E "$SCRATCH/found.py" "$file" "$SCRATCH/ready") 2>"$SCRATCH/said" &
	wait_until 20 is_ready || { cat "$SCRATCH/said"; return 1; }
	extended=$(getfattr -n user.preallocate "$file" 2>/dev/null)
	commit_metadata
	"$HELPERS/shutdown" "$MNT" || return
	kill_group
	wait $! 2>/dev/null
	wait_until 10 umount "$MNT" || return
	mount -o loop "$MNT.img" "$MNT" || return
	"$PREALLOCATE" recover "$MNT" >"$SCRATCH/recovered" || return
	size=$(real_size "$file")
	nuls=$(tr -d '\001-\377' <"$file" | wc -c)
	rm "$file"
	echo "$1: found $2 MiB, left $size, of which NULs $nuls; $(cat "$SCRATCH/recovered")"
	[ "$nuls" -eq 0 ] && { [ "$2" -gt 4 ] || [ -n "$extended" ]; }
}

# What is left: its size, how much of it was synced, and whether NULs are in it
left_by() { # MODE SYNCS LINES
	local prefix=() image=$MNT.img file=$MNT/lines.data

	[ "$1" = plain ] || set_prefix "$1" '*.data'
	rm -f "$SCRATCH/ready" "$file"
	(in_group "${prefix[@]}" "$PYTHON" -S -E "$SCRATCH/lines.py" "$file" "$2" "$3" "$SCRATCH/ready") 2>"$SCRATCH/said" &
	wait_until 20 is_ready || { cat "$SCRATCH/said"; return 1; }
	[ "$1" = plain ] || extended=$(real_size "$file")
	shut_down || return
	kill_group
	wait $! 2>/dev/null
	wait_until 10 umount "$MNT" || return
	mount -o loop "$image" "$MNT" || return
	[ "$1" = plain ] || "$PREALLOCATE" recover "$MNT" >"$SCRATCH/recovered" || return
	read -r synced <"$SCRATCH/ready"
	size=$(real_size "$file")
	nuls=$(tr -d '\001-\377' <"$file" | wc -c)
}

ends_right() { # MODE SYNCS LINES
	left_by "$@" || return
	echo "$1: extended to $extended, synced $synced, left $size, of which NULs $nuls; $(cat "$SCRATCH/recovered")"
	[ "$extended" -gt $((synced + 65536)) ] && [ "$size" -ge "$synced" ] && [ "$nuls" -eq 0 ] &&
		[ -z "$(getfattr -n user.preallocate "$MNT/lines.data" 2>/dev/null)" ]
}

plain_ends_so() { # SYNCS LINES: or the test has no meaning
	left_by plain "$@" || return
	echo "plain: synced $synced, left $size, of which NULs $nuls"
	[ "$size" -ge "$synced" ]
}

remounted() { # TYPE
	local mode size nuls synced extended

	check "$1: a plain file" plain_ends_so 10 100000
	for mode in zero write auto; do
		check "$1: mode $mode, most of it never synced" ends_right $mode 10 100000
	done
	for mode in zero write; do
		check "$1: mode $mode, nothing synced" ends_right $mode 0 100000
		check "$1: mode $mode, all of it synced" ends_right $mode 10 0
		check "$1: mode $mode, somebody else's before it, unsynced" found_ends_right $mode 3
		check "$1: mode $mode, and more of it" found_ends_right $mode 24
	done
}

for_each_filesystem remounted
done_testing
