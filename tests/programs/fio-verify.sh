#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fio writes blocks with checksums through each of its engines, and finds them: while it writes,
# and afterwards without the library.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/common.sh"

need fio
engines=$(fio --enghelp 2>/dev/null)
run_options+=(--prealloc-size 4M)

# These write where libc can't be seen to: the file stays an ordinary one.
never_extended=' io_uring posixaio libaio mmap '

# fio_in DIRECTORY options...: two files side by side, blocks of all sizes.
fio_in() {
	local directory=$1
	shift
	(cd "$directory" && exec "${prefix[@]}" fio --name=job --numjobs=2 --filesize=2M \
		--filename_format='$jobnum.fio' --bsrange=512-60k --randseed=7 --verify=crc32c \
		--verify_fatal=1 --verify_state_save=0 --allow_file_create=1 --fallocate=none \
		--thread --minimal "$@")
}

one() { # TYPE ENGINE DESCRIPTION options...
	local type=$1 engine=$2 what="$2, $3" mode status prefix=()
	shift 3

	for mode in plain $MODES; do
		rm -rf "$MNT/fio"
		mkdir "$MNT/fio"
		new_report
		[ "$mode" = plain ] || set_prefix "$mode" '*.fio'
		fio_in "$MNT/fio" --ioengine="$engine" --do_verify=1 "$@" >"$SCRATCH/$mode.out" 2>&1
		status=$?
		prefix=()
		printf 'exit status %d\n' $status >>"$SCRATCH/$mode.out"
		find "$MNT/fio" -name '*.fio' -printf '%P %s %m\n' | LC_ALL=C sort >"$SCRATCH/$mode.files"
		[ "$mode" != plain ] || continue
		is "$type, $mode: $what: fio verifies what it wrote" \
			"$(tail -n 1 "$SCRATCH/$mode.out")" "$(tail -n 1 "$SCRATCH/plain.out")" ||
			diag "$(tail -n 5 "$SCRATCH/$mode.out" | cut -c 1-300)"
		check "$type, $mode: $what: the same files" \
			diff "$SCRATCH/plain.files" "$SCRATCH/$mode.files"
		[ $status -ne 0 ] || check "$type, $mode: $what: verified without the library" \
			fio_in "$MNT/fio" --ioengine=psync --verify_only "$@"
		[ "$mode" = zero ] && [[ $never_extended != *" $engine "* ]] && [[ $* != *rand* ]] &&
			check_used "$type, $what: files were extended" zero
	done
	is "$type: $what works without the library" "$(tail -n 1 "$SCRATCH/plain.out")" 'exit status 0'
}

verify() {
	local engine blocks

	for engine in sync psync vsync pvsync pvsync2 libaio io_uring posixaio mmap; do
		case $engines in
		*"	$engine"[[:space:]]*) ;;
		*)
			skip "$1: $engine" "this fio has no $engine"
			continue
			;;
		esac
		# Its msync takes whole pages.
		[ $engine = mmap ] && blocks=--bsrange=4k-60k || blocks=--bsrange=512-60k
		one "$1" $engine 'in sequence, synced' --rw=write --fdatasync=8 $blocks
		one "$1" $engine 'at random' --rw=randwrite --iodepth=4
	done
	one "$1" psync 'verified while it writes' --rw=write --verify_backlog=16
	one "$1" psync 'direct' --rw=write --direct=1 --bsrange=4k-64k
	one "$1" psync 'synchronous' --rw=write --sync=dsync
}

rotate "ext4:zero" verify
done_testing
