# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# A filesystem whose power can be cut, to be sourced after filesystems.sh, run.sh and cgroup.sh.
#
#	power_filesystem TYPE HOW [SIZE]	mounts a fresh one at $MNT; fails as with_filesystem does
#	cut_power ACK...	at this instant, and kills the group. What the ACKs said in the moment
#				before is in ACK.before
#	power_again		mounts what has reached the disk, on the machine that runs on
#	power_check		unmounts it and has fsck look, which must find nothing
#
# HOW is "shutdown" (ext4, XFS: the filesystem refuses from then on, and flushes nothing) or "clone":
# its image lies on an XFS of its own, and goes on with what that held at the instant.
#
# The script runs in a mount namespace of its own, since a copy of our mounts in another one would
# keep the filesystem. So it begins with
#
#	[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || ! unshare --mount true 2>/dev/null ||
#		PREALLOCATE_TEST_NAMESPACE=1 exec unshare --mount bash "$0"

[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || skip_all "a mount namespace needs root"

power_type=
power_how=
power_image=

power_filesystem() {
	local size=${3:-600M}

	power_type=$1
	power_how=$2
	if [ "$power_how" = shutdown ]; then
		with_filesystem "$1" "$size" || return
		power_image=$MNT.img
		return
	fi
	with_filesystem xfs 2G || return
	power_image=$MNT/disk
	truncate -s "$size" "$power_image"
	"mkfs.$1" -q "$power_image" >"$SCRATCH/.mkfs" 2>&1 || {
		no_filesystem="mkfs.$1: $(tail -n 1 "$SCRATCH/.mkfs")"
		return 1
	}
	cp --reflink=always "$power_image" "$power_image.now" 2>/dev/null || {
		no_filesystem='no reflinks on XFS here'
		return 1
	}
	MNT=$SCRATCH/powered
	filesystem_mount "$MNT" mount -o loop "$power_image"
}

cut_power() {
	local status=0 ack

	if [ "$power_how" = shutdown ]; then
		"$HELPERS/shutdown" "$MNT" "$@" || status=$?
	else
		for ack; do
			cp "$ack" "$ack.before"
		done
		cp --reflink=always "$power_image" "$power_image.now" || status=$?
	fi
	kill_group
	wait_until 10 umount "$MNT" 2>/dev/null || return
	[ "$power_how" = shutdown ] || mv "$power_image.now" "$power_image" || return
	return $status
}

power_again() {
	mount -o loop "$power_image" "$MNT"
}

power_check() {
	wait_until 10 umount "$MNT" 2>/dev/null || return
	case $power_type in
	ext4) e2fsck -fn "$power_image" ;;
	xfs) xfs_repair -n "$power_image" ;;
	btrfs) btrfs check "$power_image" ;;
	esac
}
