#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Nothing but src/recovery/cut.c changes the size of a file that isn't our own: there alone it is looked first
# whether nobody else has it.
. "$(dirname "$0")/../lib/tap.sh"

cd "$PREALLOCATE_SRCDIR" || exit

# src/libc makes the program's calls; the session's memory is nobody's file.
calls() {
	grep -rnE --include='*.[ch]' "$1" "${2:-src}" | grep -vE '^src/(libc|base/sys(_direct)?\.)' |
		grep -vE '^[^:]*:[0-9]+:( \*|/\*|	\* )|/\*.*ftruncate\(2\)'
}

is "ftruncate is called in cut.c, and for the session's memory" \
	"$(calls '\<(sys\.)?ftruncate(64)? ?\(' | cut -d: -f1 | sort | uniq -c | awk '{ print $2, $1 }')" \
	"src/claim/session.c 1
src/recovery/cut.c 1"
is "truncate is called by nobody" "$(calls '[^_.a-z>]truncate(64)? ?\(')" ""
is "fallocate without FALLOC_FL_KEEP_SIZE is called in cut.c, but for zeroes inside the size" \
	"$(calls '\<(sys\.)?fallocate(64)? ?\(' | grep -v FALLOC_FL_KEEP_SIZE | grep -v FALLOC_FL_WRITE_ZEROES |
		cut -d: -f1)" "src/recovery/cut.c"
mkdir "$SCRATCH/src"
printf '\tif (sys.ftruncate(fd, 0) < 0)\n' >"$SCRATCH/src/new.c"
is "another one would be found" "$(calls '\<(sys\.)?ftruncate(64)? ?\(' "$SCRATCH/src" | wc -l)" 1
done_testing
