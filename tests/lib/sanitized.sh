# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The unit tests under one kind of sanitizer, to be sourced after tap.sh.
#
#	sanitized COMPILER LIST		no report of -fsanitize=LIST, or a skip where that doesn't work

sanitize() { # KIND
	env -u PREALLOCATE_BUILDDIR SANITIZE_DIR="$SCRATCH/build" TMPDIR="$SCRATCH" \
		"$PREALLOCATE_SRCDIR/scripts/sanitize" --quick "$1"
}

compiles() { # COMPILER LIST
	echo 'int main(void) { return 0; }' >"$SCRATCH/empty.c"
	"$1" "-fsanitize=$2" -o "$SCRATCH/empty" "$SCRATCH/empty.c" && "$SCRATCH/empty"
}

sanitized() {
	if compiles "$1" "$2" >/dev/null 2>&1; then
		check "unit tests under $2" sanitize "${2%,*}"
	else
		skip "unit tests under $2" "$1 -fsanitize=$2 doesn't work here"
	fi
}
