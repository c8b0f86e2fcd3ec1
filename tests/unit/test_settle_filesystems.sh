#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2317 # what the sourced files set; functions called through others
# The unit tests that look at real files, on every filesystem.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"

unit_test() {
	PREALLOCATE_TEST_DIRECTORIES=$MNT "$PREALLOCATE_BUILDDIR/tests/unit/$1"
}

unit_tests_on() {
	check "$1: the proof of emptiness" unit_test test_tail
	check "$1: extending and settling" unit_test test_settle
	check "$1: held up while a neighbour appends" unit_test test_cut
	check "$1: what is written down" unit_test test_seal
	check "$1: recovering" unit_test test_recover
}

[ -x "$PREALLOCATE_BUILDDIR/tests/unit/test_tail" ] || skip_all "built without cmocka"
for_each_filesystem unit_tests_on
done_testing
