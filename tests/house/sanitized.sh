#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No report from the sanitizers about the unit tests. The whole of it: scripts/sanitize.
. "$(dirname "$0")/../lib/tap.sh"

sanitize() { # KIND
	env -u PREALLOCATE_BUILDDIR SANITIZE_DIR="$SCRATCH/build" TMPDIR="$SCRATCH" \
		"$PREALLOCATE_SRCDIR/scripts/sanitize" --quick "$1"
}

compiles() { # COMPILER LIST
	echo 'int main(void) { return 0; }' >"$SCRATCH/empty.c"
	"$1" "-fsanitize=$2" -o "$SCRATCH/empty" "$SCRATCH/empty.c" && "$SCRATCH/empty"
}

for kind in "gcc address,undefined" "clang thread"; do
	# shellcheck disable=SC2086
	set -- $kind
	if compiles "$1" "$2" >/dev/null 2>&1; then
		check "unit tests under $2" sanitize "${2%,*}"
	else
		skip "unit tests under $2" "$1 -fsanitize=$2 doesn't work here"
	fi
done
done_testing
