# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Fresh filesystems for tests, to be sourced after tap.sh.
#
#	with_filesystem TYPE [SIZE]	mounts an empty filesystem at $MNT: ext4, xfs, btrfs (loop
#					images), tmpfs, overlayfs (over ext4), fuse (bindfs);
#					fails, with $no_filesystem saying why, where it can't
#	release_filesystem		unmounts the last one; what is left is unmounted at exit
#	for_each_filesystem FUNCTION	calls FUNCTION TYPE, with $MNT mounted, for every type in
#					$PREALLOCATE_TEST_FILESYSTEMS

FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs overlayfs}

MNT=
no_filesystem=
filesystem_size=1G
filesystem_count=0
filesystem_mounts=()

# Waits for stragglers (a helper that is just closing its copies), then detaches lazily: an image
# left mounted would outlive the test.
filesystem_unmount() {
	local mounted=$1

	mountpoint -q "$mounted" || return 0
	wait_until 3 umount "$mounted" 2>/dev/null && return 0
	diag "$mounted is still in use 3 s after the test, detached lazily"
	umount -l "$mounted"
}

filesystem_unmount_all() {
	local i

	for ((i = ${#filesystem_mounts[@]} - 1; i >= 0; i--)); do
		filesystem_unmount "${filesystem_mounts[i]}"
	done
	filesystem_mounts=()
}

at_exit filesystem_unmount_all

# filesystem_mount DIRECTORY mount-arguments...: remembered only once it is mounted.
filesystem_mount() {
	local where=$1
	shift
	mkdir -p "$where" || return 1
	"$@" "$where" >"$SCRATCH/.mount" 2>&1 || {
		no_filesystem="can't mount: $(head -n 1 "$SCRATCH/.mount")"
		return 1
	}
	filesystem_mounts+=("$where")
}

filesystem_on_image() {
	local type=$1 size=$2 where=$3

	command -v "mkfs.$type" >/dev/null || {
		no_filesystem="mkfs.$type is not installed"
		return 1
	}
	# Sparse, so that an image costs only what is written to it.
	truncate -s "$size" "$where.img" || return 1
	"mkfs.$type" -q "$where.img" >"$SCRATCH/.mkfs" 2>&1 || {
		no_filesystem="mkfs.$type failed: $(tail -n 1 "$SCRATCH/.mkfs")"
		return 1
	}
	# mount -o loop detaches the loop device by itself at the unmount, also a lazy one.
	filesystem_mount "$where" mount -o loop "$where.img"
}

with_filesystem() {
	local type=$1 size=${2:-$filesystem_size} base

	no_filesystem=
	[ "$(id -u)" -eq 0 ] || {
		no_filesystem="mounting needs root"
		return 1
	}
	filesystem_count=$((filesystem_count + 1))
	base=$SCRATCH/fs$filesystem_count
	MNT=$base
	case $type in
	ext4 | xfs | btrfs)
		filesystem_on_image "$type" "$size" "$base"
		;;
	tmpfs)
		filesystem_mount "$base" mount -t tmpfs -o "size=$size" preallocate-test
		;;
	overlayfs)
		filesystem_on_image ext4 "$size" "$base" || return 1
		mkdir "$base/lower" "$base/upper" "$base/work" || return 1
		MNT=$base/merged
		filesystem_mount "$MNT" mount -t overlay -o \
			"lowerdir=$base/lower,upperdir=$base/upper,workdir=$base/work" \
			preallocate-test
		;;
	fuse)
		command -v bindfs >/dev/null || {
			no_filesystem="bindfs is not installed"
			return 1
		}
		mkdir -p "$base.below"
		filesystem_mount "$base" bindfs "$base.below"
		;;
	*)
		no_filesystem="unknown filesystem type '$type'"
		return 1
		;;
	esac
}

release_filesystem() {
	filesystem_unmount_all
	rm -f "$SCRATCH"/fs*.img
	MNT=
}

for_each_filesystem() {
	local type

	for type in $FILESYSTEMS; do
		if with_filesystem "$type"; then
			diag "$type"
			"$1" "$type"
		else
			skip "$type: $1" "$no_filesystem"
		fi
		release_filesystem
	done
}
