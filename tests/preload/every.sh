#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each name that the library exports is called on a managed, extended file somewhere: in the program
# `every`, whose transcripts transcripts.sh compares, or, our own interface, in control.sh. And each is called
# with what the kernel refuses, in the program `pointers`.
. "$(dirname "$0")/../lib/tap.sh"
need nm

LIBRARY=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so
EVERY=$PREALLOCATE_BUILDDIR/tests/preload/every
POINTERS=$PREALLOCATE_BUILDDIR/tests/preload/pointers
CONTROL=$PREALLOCATE_SRCDIR/tests/preload/control.c
[ -r "$LIBRARY" ] && [ -x "$EVERY" ] && [ -x "$POINTERS" ] || skip_all "the library or the program isn't built"

exports() {
	nm -D --defined-only "$LIBRARY" | awk 'NF == 3 { print $3 }' | LC_ALL=C sort -u
}

called() {
	"$EVERY" --names
	grep -o 'preallocate_[a-z_]*(' "$CONTROL" | tr -d '('
}

not_called() { # [BUT]
	LC_ALL=C comm -23 <(exports) <(called | grep -vx "${1:-}" | LC_ALL=C sort -u)
}

by_number() {
	sed -n 's/^[[:space:]]*case SYS_\([a-z0-9_]*\):.*/SYS_\1/p' \
		"$PREALLOCATE_SRCDIR/src/libc/syscall.c" | LC_ALL=C sort -u
}

called_badly() {
	"$POINTERS" --names
}

not_called_badly() { # [BUT]
	LC_ALL=C comm -23 <({ exports && by_number; } | LC_ALL=C sort -u) \
		<(called_badly | grep -vx "${1:-}" | LC_ALL=C sort -u)
}

is "every export is called on an extended file" "$(not_called | tr '\n' ' ')" ""
is "an export that isn't called is found" "$(not_called pwritev2)" pwritev2
# Not after a filter of system calls: what may be done then is the filter's business.
is "every number that syscall(2) treats is, too" \
	"$(LC_ALL=C comm -23 <(by_number) <("$EVERY" --names | LC_ALL=C sort -u) |
		grep -vx -e SYS_vfork -e SYS_seccomp | tr '\n' ' ')" ""
is "every export and number is called with what the kernel refuses" "$(not_called_badly | tr '\n' ' ')" ""
is "one that isn't is found" "$(not_called_badly sendmsg)" sendmsg
diag "$("$EVERY" --names | grep -vc '^SYS_') names and $("$EVERY" --names | grep -c '^SYS_') numbers called"
done_testing
