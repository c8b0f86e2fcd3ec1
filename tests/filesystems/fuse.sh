#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# A FUSE filesystem grants leases that hold only locally: nothing is ever extended there, unless
# the rule vouches for it by exclusive=assume.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/writers.sh"

with_filesystem fuse || skip_all "$no_filesystem"
file=$MNT/fuse.data

start_writer zero "$file" -n 1000000 -d 500 -m append
check "never longer than its data" never_extended "$file"
check "a neighbour sees every byte" "$HELPERS/record-check" -i "$ACK" "$file"
check "the writer goes on" goes_on
end_writer TERM
check "nothing lost" "$HELPERS/record-check" -i "$ACK" "$file"

# shellcheck disable=SC2034 # run.sh's
run_options=(--exclusive assume)
rm -f "$ACK" "$file"
check "exclusive=assume: a writer" managed zero '*.data' \
	"$HELPERS/appender" -n 1000 -m append "$ACK" "$file"
check "exclusive=assume: the size is exact after close" "$HELPERS/record-check" "$ACK" "$file"
done_testing
