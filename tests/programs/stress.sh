#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stress-ng's file stressors, verifying what they wrote, end as they do without the library.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/common.sh"

need stress-ng
version=$(stress-ng --version)

# Counts of operations, not times, bound each; the time-out only ends a hang. An asterisk marks
# those that append again and again to a file of their own, so that it is extended for them; most
# others allocate or write their file in one go, or make one that they lock, map, rename.
stressors='*hdd:3000:--hdd-bytes=8M --hdd-opts=wr-seq,rd-seq
*hdd:1000:--hdd-bytes=4M --hdd-opts=wr-seq,rd-seq,fsync
*hdd:300:--hdd-bytes=4M --hdd-opts=iovec,fdatasync,utimes
hdd:1000:--hdd-bytes=4M --hdd-opts=wr-rnd,rd-rnd
fallocate:30:--fallocate-bytes=16M
seek:10000:--seek-size=4M
aio:20000:
aiol:500:
copy-file:50:--copy-file-bytes=128M
sendfile:300:--sendfile-size=1M
splice:1000:
dup:40:
fork:100:
vfork:100:
mmap:2:--mmap-file --mmap-bytes=4M
mmap:2:--mmap-file --mmap-async --mmap-bytes=4M
rename:2000:
fiemap:100:--fiemap-bytes=8M
iomix:1000:--iomix-bytes=16M
*revio:2000:--revio-bytes=8M
*dnotify:10:
*inotify:3:
*lockf:500:
dentry:300:
fanotify:20:
fault:200:
fsize:20:
filename:20:
file-ioctl:100:
lease:300:
msync:30:
open:100:
readahead:200:--readahead-bytes=8M
sync-file:10:--sync-file-bytes=8M
touch:200:
utime:200:
verity:5:
xattr:30:'

# stress NAME OPERATIONS options...: its output without what differs from run to run.
stress() {
	local name=$1 operations=$2
	shift 2
	mkdir -p "$MNT/stress"
	"${prefix[@]}" stress-ng --temp-path "$MNT/stress" --seed 7 --verify --quiet --oomable \
		--timeout "$(patience 100)" "--$name" 1 "--$name-ops" "$operations" "$@"
}

one() { # TYPE NAME OPERATIONS options...
	local type=$1 marked=$2 name=${2#\*} operations=$3 mode status
	local prefix=()
	shift 3

	stress-ng --help | grep -q -- " --$name N " || {
		skip "$type: $name" "this stress-ng (${version#*version }) has no --$name"
		return
	}
	stress "$name" "$operations" "$@" >"$SCRATCH/plain.out" 2>&1
	status=$?
	rm -rf "$MNT/stress"
	for mode in $MODES; do
		new_report
		set_prefix "$mode" "$MNT/stress/**"
		stress "$name" "$operations" "$@" >"$SCRATCH/managed.out" 2>&1
		is "$type, $mode: $name $* ends as without the library" $? $status ||
			diag "$(tail -n 20 "$SCRATCH/managed.out")"
		is "$type, $mode: $name leaves nothing behind" \
			"$(find "$MNT/stress" -type f | head)" ""
		rm -rf "$MNT/stress"
		# On btrfs a file has to grow larger before it is extended.
		case $mode:$type:$marked in
		zero:btrfs:\*hdd | zero:[!b]*:\**)
			check_used "$type: files were extended for $name" zero
			;;
		esac
	done
}

all() {
	local name operations options

	while IFS=: read -r name operations options; do
		# shellcheck disable=SC2086 # several options
		one "$1" "$name" "$operations" $options </dev/null
	done <<<"$stressors"
}

rotate "ext4:zero" all
done_testing
