#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU beside QEMU: its plain file driver under the library does what its own preallocate filter
# does, step by step as QEMU's iotest 298 goes.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need qemu-io qemu-img
MiB=$((1024 * 1024))
WAYS="plain filter library"

cache=writeback
# become_qemu_io WAY IMAGE [SIZE ALIGN]
become_qemu_io() {
	local way=$1 image=$2 options="driver=qcow2,file.driver=file,file.filename=$2"

	[ "$way" != filter ] || {
		options="driver=qcow2,file.driver=preallocate,file.file.driver=file"
		options+=",file.file.filename=$image"
		[ $# -lt 4 ] || options+=",file.prealloc-size=$3,file.prealloc-align=$4"
	}
	[ "$way" = library ] || exec qemu-io -t "$cache" --image-opts "$options"
	# shellcheck disable=SC2034 # run.sh's
	[ $# -lt 4 ] || run_options=(--prealloc-size "$3" --prealloc-align "$4")
	managed_exec zero '*.qcow2' qemu-io -t "$cache" --image-opts "$options"
}

create() {
	rm -f "$1"
	qemu-img create -q -f qcow2 "$1" 10M
}

# While qemu-io still runs, what another program sees; after_close, when it has ended.
while_open=
after_close=
sizes_around_close() {
	local command

	create "$2" || return 1
	coproc QEMU { become_qemu_io "$@" 2>&1; }
	# One command at a time: with more in its stdio buffer qemu-io waits for input that has come.
	read -r -t 20 -d '>' _ <&"${QEMU[0]}"
	for command in 'write 0 1M' flush; do
		printf '%s\n' "$command" >&"${QEMU[1]}"
		read -r -t 20 -d '>' _ <&"${QEMU[0]}"
	done
	while_open=$(real_size "$2")
	echo quit >&"${QEMU[1]}"
	wait "$QEMU_PID"
	after_close=$(real_size "$2")
}

between() {
	echo "$1 < $2 < $3"
	[ "$2" -gt "$1" ] && [ "$2" -lt "$3" ]
}

matrix_step() { # WAY MODE SIZE
	local image=$MNT/$1.qcow2

	create "$image"
	printf 'write 0 10M\ntruncate -m %s %s\nlength\nquit\n' "$2" "$3" >"$SCRATCH/commands"
	(become_qemu_io "$1" "$image" <"$SCRATCH/commands") 2>&1 |
		sed 's/ in .*//; s/[0-9.]* sec.*//' >"$SCRATCH/$1.said"
	stat -c '%s %b' "$image" >"$SCRATCH/$1.stat"
	qemu-img check -q "$image" || echo "check failed: $?" >>"$SCRATCH/$1.said"
}

close_to() { # WAY OTHER: sizes within 64 KiB, blocks within 1 MiB
	local size blocks other_size other_blocks

	read -r size blocks <"$SCRATCH/$1.stat"
	read -r other_size other_blocks <"$SCRATCH/$2.stat"
	echo "$1: $size bytes, $blocks blocks; $2: $other_size, $other_blocks"
	[ $((size > other_size ? size - other_size : other_size - size)) -lt 65536 ] &&
		[ $((blocks > other_blocks ? blocks - other_blocks : other_blocks - blocks)) \
			-lt 2048 ] &&
		grep -v '^[0-9 ]*ops' "$SCRATCH/$1.said" | diff - \
			<(grep -v '^[0-9 ]*ops' "$SCRATCH/$2.said")
}

beside() {
	local way mode size
	local image=$MNT/disk.qcow2

	cache=writeback
	for way in filter library; do
		if [ $way = library ] && library_left_out; then
			skip "$1, $way" "the library is left out"
			continue
		fi
		sizes_around_close $way "$image"
		check "$1, $way: over 100 MiB after write 0 1M" \
			between $((100 * MiB)) "$while_open" $((1024 * MiB))
		check "$1, $way: under 10 MiB after close" between 0 "$after_close" $((10 * MiB))
		check "$1, $way: no leak, no corruption" qemu-img check "$image"
		sizes_around_close $way "$image" 20M 5M
		is "$1, $way: exactly 25 MiB with 20M and 5M" "$while_open" $((25 * MiB))
		check "$1, $way: under 10 MiB after close" between 0 "$after_close" $((10 * MiB))
		check "$1, $way: no leak, no corruption" qemu-img check "$image"
	done
	# Sizes are what it is about now, not what survives a power loss.
	cache=unsafe
	for mode in off falloc metadata full; do
		for size in 5M 50M 150M; do
			for way in $WAYS; do
				matrix_step "$way" $mode $size
			done
			check "$1: truncate -m $mode $size as unfiltered" close_to library plain
			check "$1: truncate -m $mode $size as QEMU's filter" \
				close_to library filter
		done
	done
}

# QEMU's filter promises this on filesystems that allocate past the end without writing.
export FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs}
for_each_filesystem beside
done_testing
