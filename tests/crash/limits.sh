#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# At the limits of files and filesystems a program is told what it is told without the library: the
# largest file, immutable and append-only ones, swap files, quotas, RLIMIT_FSIZE on a full filesystem,
# a filesystem that is frozen, or becomes read-only.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/writers.sh"

need "$PYTHON"
MiB=$((1024 * 1024))
FILLER=$HELPERS/filler
TALLY=$SCRATCH/tally
SCENARIOS=$(dirname "$(readlink -f "$0")")/edges.py
FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}

# run_scenario MODE or plain, TYPE, SCENARIO: in $MNT/MODE
run_scenario() {
	local mode=$1 type=$2 scenario=$3 prefix=() extended=

	[ "$mode" = plain ] || set_prefix "$mode" '*.data'
	# On btrfs a file gets ahead only what it has earned.
	[ "$mode" != zero ] || [ "$type" = btrfs ] || library_left_out || extended=1
	rm -rf "${MNT:?}/$mode"
	mkdir "$MNT/$mode"
	(
		cd "$MNT/$mode" || exit
		LIMITS_EXTENDED=$extended LIMITS_SWAP_SKIPS=$([ "$mode" != plain ] || echo 1) \
			"${prefix[@]}" "$PYTHON" "$SCENARIOS" "$scenario"
		printf 'exit status %d\n' $?
	) >"$SCRATCH/$mode.out" 2>&1
}

scenario() { # TYPE SCENARIO
	local mode

	run_scenario plain "$1" "$2"
	if tail -n 1 "$SCRATCH/plain.out" | grep -qx 'exit status 77'; then
		skip "$1: $2" "not possible here"
		return
	fi
	for mode in $MODES; do
		run_scenario "$mode" "$1" "$2"
		check "$1: $2, mode $mode" same_results "$mode"
	done
}

# --- quotas ---

NOBODY=65534

set_quota() { # TYPE
	case $1 in
	# Not of a user: of everything.
	btrfs) btrfs quota enable "$MNT" && btrfs qgroup limit 20M 0/5 "$MNT" ;;
	# In KiB.
	*) setquota -u $NOBODY 0 20480 0 0 "$MNT" ;;
	esac
}

with_quota() { # TYPE
	local image=$SCRATCH/quota.img

	no_filesystem=
	command -v setquota >/dev/null || no_filesystem="setquota is not installed"
	[ "$(id -u)" -eq 0 ] || no_filesystem="mounting needs root"
	[ -z "$no_filesystem" ] || return 1
	rm -f "$image"
	truncate -s 330M "$image"
	case $1 in
	ext4) mkfs.ext4 -q -O quota "$image" ;;
	*) "mkfs.$1" -q "$image" ;;
	esac >"$SCRATCH/.mkfs" 2>&1 || {
		no_filesystem="mkfs.$1 failed: $(tail -n 1 "$SCRATCH/.mkfs")"
		return 1
	}
	MNT=$SCRATCH/quota
	filesystem_mount "$MNT" mount -o "loop$([ "$1" = btrfs ] || echo ,usrquota)" "$image" ||
		return 1
	set_quota "$1" >"$SCRATCH/.quota" 2>&1 || {
		no_filesystem="no quota: $(tail -n 1 "$SCRATCH/.quota")"
		return 1
	}
	chown $NOBODY "$MNT"
}

use_up() { # MODE or plain, COUNT
	local mode=$1 count=$2 i pid pids=() prefix=() status=0

	rm -f "$TALLY"
	: >"$TALLY"
	chmod 0666 "$TALLY"
	[ "$mode" = plain ] || set_prefix "$mode" '*.data'
	for ((i = 0; i < count; i++)); do
		setpriv --reuid=$NOBODY --clear-groups "${prefix[@]}" "$FILLER" -e edquot -r 5000 \
			-w $i -n "$count" "$TALLY" "$MNT/$i.data" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	for ((i = 0; i < count; i++)); do
		"$FILLER" -c -w $i "$TALLY" "$MNT/$i.data" || return 1
	done
	return $status
}

quota() { # TYPE
	local type=$1 mode count plain_wrote wrote

	# Everything that is run is to be reached by that user.
	chmod 0711 "$SCRATCH"
	setpriv --reuid=$NOBODY --clear-groups "$PREALLOCATE" --version >/dev/null 2>&1 || {
		skip "$type: quota" "$PREALLOCATE can't be run by another user"
		return
	}
	for count in 1 3; do
		for mode in plain $MODES; do
			if ! with_quota "$type"; then
				skip "$type: quota" "$no_filesystem"
				release_filesystem
				return
			fi
			check "$type: a quota used up by $count, $mode" use_up "$mode" "$count"
			wrote=$("$FILLER" -t "$TALLY")
			diag "$type: quota, $mode: $wrote bytes by $count"
			[ "$mode" != plain ] || plain_wrote=$wrote
			check "$type: as much fits into a quota as without, by $count, $mode" \
				test "$wrote" -ge $((plain_wrote - count * MiB))
			release_filesystem
		done
	done
}

# A cut needs a part of the quota there: EDQUOT would leave the file longer than its data.
earned() {
	start_writer zero "$MNT/$1.data" -n 40000 -s 100 -m append -e hold || return
	wait_until 10 has_more_than 3999999
}

tells() {
	"$PREALLOCATE" match --mode=zero -m '*.data' "$MNT/any.data" | grep -F "$1"
}

quotas_on_btrfs() {
	with_quota btrfs || {
		skip "btrfs: quotas" "$no_filesystem"
		release_filesystem
		return
	}
	check "btrfs: the command tells what isn't extended with quotas" tells "falls back to keep: on btrfs a cut may fail"
	check "btrfs: appended to, with quotas" earned with
	check "btrfs: nothing is extended with quotas" never_extended "$MNT/with.data"
	end_writer
	btrfs quota disable "$MNT"
	check "btrfs: the command tells what is extended without quotas" tells "in pieces of prealloc-align"
	check "btrfs: appended to, without quotas" earned without
	check_held_extended "btrfs: extended without quotas" "$MNT/without.data"
	btrfs quota enable "$MNT"
	end_writer
	is "btrfs: cut with quotas that came later" "$(real_size "$MNT/without.data")" "$(acknowledged)"
	above_btrfs
	release_filesystem
}

# What is below doesn't tell of its quotas there.
above_btrfs() {
	mkdir "$MNT/lower" "$MNT/upper" "$MNT/work"
	filesystem_mount "$SCRATCH/merged" mount -t overlay -o \
		"lowerdir=$MNT/lower,upperdir=$MNT/upper,workdir=$MNT/work" preallocate-test || {
		skip "overlayfs above btrfs" "$no_filesystem"
		return
	}
	MNT=$SCRATCH/merged
	check "overlayfs above btrfs: the command tells that nothing is extended" \
		tells "falls back to keep: on overlayfs a cut may fail"
	check "overlayfs above btrfs: appended to" earned above
	check "overlayfs above btrfs: nothing is extended" never_extended "$MNT/above.data"
	end_writer
	is "overlayfs above btrfs: all is there" "$(real_size "$MNT/above.data")" "$(acknowledged)"
}

# --- a frozen filesystem ---

opens() {
	cat "$MNT/frozen.data" >"$SCRATCH/copy"
}

thaw() {
	[ -z "$frozen" ] || fsfreeze -u "$frozen" 2>/dev/null
	frozen=
}
frozen=
at_exit thaw

freeze() { # TYPE
	local neighbour

	command -v fsfreeze >/dev/null || {
		skip "$1: frozen" "fsfreeze is not installed"
		return
	}
	start_writer zero "$MNT/frozen.data" -n 1000000 -d 500 -m append -e hold || return
	[ "$1" = btrfs ] || check_held_extended "$1: extended before it is frozen" "$MNT/frozen.data"
	frozen=$MNT
	fsfreeze -f "$MNT"
	opens &
	neighbour=$!
	sleep 0.5
	thaw
	check "$1: a neighbour gets its file after the thaw" wait "$neighbour"
	check "$1: the program goes on after the thaw" goes_on
	end_writer KILL
	check "$1: nothing is lost by a freeze" wait_until 5 "$HELPERS/record-check" -i "$ACK" \
		"$MNT/frozen.data"
}

# --- read-only ---

remounts() {
	mount -o remount,ro "$MNT"
}

read_only() { # TYPE
	start_writer zero "$MNT/remount.data" -n 1000000 -d 500 -m append -e hold || return
	check_not "$1: not read-only while a file is being written" remounts
	check "$1: the program goes on after a refused remount" goes_on
	end_writer KILL
	check "$1: read-only as soon as the program has ended" wait_until 3 remounts
	check "$1: all is there, read-only" "$HELPERS/record-check" -i "$ACK" "$MNT/remount.data"
	mount -o remount,rw "$MNT"
}

# What can't be cut any more is for recovery, after the repair.
becomes_read_only() { # MODE or plain
	local image=$SCRATCH/error.img device

	rm -f "$image"
	truncate -s 256M "$image"
	MNT=$SCRATCH/error
	mkfs.ext4 -q "$image" && filesystem_mount "$MNT" mount -o loop,errors=remount-ro "$image" ||
		return
	device=$(findmnt -n -o SOURCE "$MNT")
	export LIMITS_TRIGGER=/sys/fs/ext4/${device##*/}/trigger_fs_error
	run_scenario "$1" ext4 error
	filesystem_unmount "$MNT"
	e2fsck -fy "$image" >"$SCRATCH/fsck.out" 2>&1
	mount -o loop "$image" "$MNT" || return
	"$PREALLOCATE" recover "$MNT" >/dev/null
	(cd "$MNT/$1" && sha256sum -- *; getfattr -d -m user -- *) >>"$SCRATCH/$1.out" 2>&1
	filesystem_unmount "$MNT"
}

errors() {
	local mode

	no_filesystem=
	becomes_read_only plain
	if ! grep -q '^write EROFS' "$SCRATCH/plain.out"; then
		skip "ext4: read-only by an error" "no error can be caused here: $no_filesystem"
		return
	fi
	for mode in $MODES; do
		becomes_read_only "$mode"
		check "ext4: read-only by an error, mode $mode" diff "$SCRATCH/plain.out" 			"$SCRATCH/$mode.out"
	done
}

# --- RLIMIT_FSIZE, where there isn't much space ---

limited() {
	local mode prefix

	with_filesystem tmpfs 12M || {
		skip "limits on a small filesystem" "$no_filesystem"
		return
	}
	for mode in plain $MODES; do
		prefix=()
		[ "$mode" = plain ] || set_prefix "$mode" '*.dat'
		mkdir "$MNT/$mode"
		(
			cd "$MNT/$mode" || exit
			# Its standard output must not be a file: it is limited, too.
			"${prefix[@]}" "$PREALLOCATE_BUILDDIR/tests/preload/limit" | cat
			echo "exit status ${PIPESTATUS[0]}"
		) >"$SCRATCH/$mode.out" 2>&1
		[ "$mode" = plain ] ||
			check "limits on a small filesystem, mode $mode" same_results "$mode"
	done
	release_filesystem
}

everything() { # TYPE
	scenario "$1" largest
	case $1 in
	ext4 | xfs | btrfs)
		scenario "$1" immutable
		scenario "$1" append-only
		;;
	esac
	case $1 in
	ext4 | xfs)
		scenario "$1" swap
		read_only "$1"
		;;
	esac
	[ "$1" = tmpfs ] || freeze "$1"
}

[ "$(id -u)" -eq 0 ] || skip_all "needs root"
# shellcheck disable=SC2034 # filesystems.sh's
filesystem_size=512M
for_each_filesystem everything
limited
case " $FILESYSTEMS " in
*" ext4 "*) errors ;;
esac
for type in $FILESYSTEMS; do
	case $type in
	ext4 | xfs | btrfs) quota "$type" ;;
	esac
	[ "$type" != btrfs ] || quotas_on_btrfs
done
done_testing
