#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The differential machine's long run: so many operations in each mode on each filesystem, and the
# totals as a table at the end.
#
#	long.sh [OPERATIONS [FILESYSTEM...]]	10,000,000 on ext4, xfs, btrfs and tmpfs
#
# Images of the filesystems go to $TMPDIR: on /dev/shm it runs several times as fast.
PREALLOCATE_TEST_OPERATIONS=${1:-10000000}
shift
[ $# -eq 0 ] || PREALLOCATE_TEST_FILESYSTEMS=$*
export PREALLOCATE_TEST_OPERATIONS PREALLOCATE_TEST_FILESYSTEMS
exec bash "$(dirname "$0")/differ.sh"
