#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# A filesystem filled to its end, by one program and by four at once: as many bytes fit as without the
# library, but for one prealloc_align a file, and what was written is all there.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/writers.sh"

MiB=$((1024 * 1024))
FILLER=$HELPERS/filler
TALLY=$SCRATCH/tally
FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}

# What each of four does, beside the others.
WAYS=("-m append -r 4096" "-m append -r 1048576 -y" "-m pwrite -r 65536" "-m write -r 10000")

# mkfs.xfs makes none below 300 MiB.
size_for() {
	case $1 in
	xfs) echo 300M ;;
	*) echo 256M ;;
	esac
}

fill_by() { # MODE or plain, COUNT, options...
	local mode=$1 count=$2 i pid pids=() prefix=() status=0
	shift 2

	rm -f "$TALLY"
	[ "$mode" = plain ] || set_prefix "$mode" '*.data'
	for ((i = 0; i < count; i++)); do
		# shellcheck disable=SC2086 # options
		"${prefix[@]}" "$FILLER" ${WAYS[i]} "$@" -w $i -n "$count" "$TALLY" "$MNT/$i.data" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	return $status
}

is_all_there() { # COUNT
	local i

	for ((i = 0; i < $1; i++)); do
		"$FILLER" -c -w "$i" "$TALLY" "$MNT/$i.data" || return 1
	done
}

nothing_is_left() { # COUNT
	local i

	sync -f "$MNT"
	for ((i = 0; i < $1; i++)); do
		stat -c '%n: %s bytes in %b blocks' "$MNT/$i.data"
		[ "$(($(stat -c '%b * 512 - %s' "$MNT/$i.data")))" -le $MiB ] || return 1
	done
}

no_mark_is_left() {
	! getfattr -h -d -m 'user\.' "$MNT"/*.data 2>/dev/null | grep .
}

check_marks() { # DESCRIPTION TYPE
	# It takes free blocks to remove one there (xfs_attr_set), and there are none.
	if [ "$2" = xfs ] && ! no_mark_is_left >/dev/null; then
		skip "$1" "a full XFS removes no attribute"
	else
		check "$1" no_mark_is_left
	fi
}

# XFS gives back what it has allocated past the end by itself when space is short, but not of a file that space was
# preallocated for: that of a writer which happens to stand still then is missed.
fills_anew() { # TYPE COUNT SIZE RUN LEAST
	local i

	for ((i = 0; i < 3 && wrote < $5; i++)); do
		diag "$1, $4, $3: $wrote bytes by $2, at least $5 without"
		release_filesystem
		with_filesystem "$1" "$(size_for "$1")" && fill_by "$4" "$2" || return
		wrote=$("$FILLER" -t "$TALLY")
	done
}

filled() { # TYPE COUNT PREALLOC-SIZE
	local type=$1 count=$2 size=$3 run plain_wrote=0 wrote least

	# shellcheck disable=SC2034 # run.sh's
	run_options=(--prealloc-size "$size")
	for run in plain $MODES; do
		with_filesystem "$type" "$(size_for "$type")" || {
			skip "$type: filled" "$no_filesystem"
			return
		}
		check "$type, $run, $size: filled by $count" fill_by "$run" "$count"
		wrote=$("$FILLER" -t "$TALLY")
		diag "$type, $run, $size: $wrote bytes by $count"
		if [ "$run" = plain ]; then
			plain_wrote=$wrote
		else
			least=$((plain_wrote - count * MiB))
			[ "$type" != xfs ] || [ "$count" -eq 1 ] ||
				fills_anew "$type" "$count" "$size" "$run" "$least"
			check "$type, mode $run, $size: as much fits as without, by $count" test "$wrote" -ge "$least"
		fi
		check "$type, $run, $size: nothing is missing, by $count" is_all_there "$count"
		check "$type, $run, $size: nothing is left behind, by $count" nothing_is_left "$count"
		check_marks "$type, $run, $size: no mark is left, by $count" "$type"
		release_filesystem
	done
}

# Programs without the library can't take what is held ahead: it is given back in time.
given_back() { # TYPE
	local free

	with_filesystem "$1" 330M || {
		skip "$1: given back" "$no_filesystem"
		return
	}
	# shellcheck disable=SC2034 # run.sh's
	run_options=(--idle 600s)
	start_writer zero "$MNT/holds.data" -n 100 -m append -e hold || return
	check_held_extended "$1: holds space ahead" "$MNT/holds.data"
	free=$(stat -f -c '%S %a' "$MNT" | awk '{ printf "%.0f\n", $1 * $2 }')
	fallocate -l $((free - 3 * MiB)) "$MNT/filler"
	check "$1: gives it back when little is left" wait_until 5 never_extended "$MNT/holds.data"
	end_writer
	release_filesystem
}

for type in $FILESYSTEMS; do
	[ "$type" = btrfs ] || given_back "$type"
	filled "$type" 1 128M
	filled "$type" 4 128M
	filled "$type" 4 4M
done
done_testing
