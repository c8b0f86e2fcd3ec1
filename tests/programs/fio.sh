#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fio writes and verifies what it wrote; the file is the same with and without the library.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need fio

engines=$(fio --enghelp 2>/dev/null)
job() { # TYPE DESCRIPTION further options
	local description="$1: $2"
	shift 2
	# Checksums come with the time in each block, a pattern doesn't. The output holds times too.
	differential "$description" '*.fio' sh -c 'fio "$@" >fio.log 2>&1; status=$?
		[ $status -eq 0 ] || cat fio.log; rm -f fio.log *.state; exit $status' fio \
		--name=job --filename=data.fio --size=3M --bs=4k-60k --randseed=7 --end_fsync=1 \
		--allow_file_create=1 --verify=pattern --verify_pattern='%o"fio"' --verify_fatal=1 --do_verify=1 \
		--verify_state_save=0 --fallocate=none "$@"
}

verify() {
	local engine

	for engine in psync pvsync2 libaio; do
		case $engines in
		*"$engine"*) ;;
		*)
			skip "$1: $engine" "this fio has no $engine"
			continue
			;;
		esac
		job "$1" "$engine, in sequence" --ioengine=$engine --rw=write --file_append=0
		job "$1" "$engine, at random" --ioengine=$engine --rw=randwrite --norandommap=0
		job "$1" "$engine, synced" --ioengine=$engine --rw=write --fdatasync=16
	done
	job "$1" "psync with fallocate" --ioengine=psync --rw=write --fallocate=posix
}

for_each_filesystem verify
done_testing
