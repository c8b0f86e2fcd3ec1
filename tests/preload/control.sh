#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The control interface: a program settles its own file, changes its options, reads its counts.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/run.sh"

control() { # TEST
	(cd "$SCRATCH" && managed zero '*.dat' timeout "$(patience 60)" \
		"$PREALLOCATE_BUILDDIR/tests/preload/$1" "$2")
}

without_the_library() {
	(cd "$SCRATCH" && plain "$PREALLOCATE_BUILDDIR/tests/preload/$1" absent)
}

# shellcheck disable=SC2034 # run.sh's
run_options=(--prealloc-size 64k --prealloc-align 4k)
for program in control control-fixed; do
	check "$program runs without the library" without_the_library "$program"
done
library_left_out && skip "the rest" "the library is left out" && done_testing

check "found by dlsym and by a weak declaration" control control present
check "settled: the real size, mtime and flags" control control settle
check "settled in mode keep: the blocks are given back" control control keep
check "errors, with what would be right" control control errors
check "options change, all or none" control control options
check "options that direct I/O can't use" control control direct
check "counts, for older and newer programs" control control statistics
check "options change under three appending threads" control control threads
done_testing
