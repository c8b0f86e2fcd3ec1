#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manuals are well-formed, and name every subcommand and option that the command offers.
. "$(dirname "$0")/../lib/tap.sh"

man=$PREALLOCATE_SRCDIR/man
for page in "$man"/*.[157]; do
	if command -v mandoc >/dev/null; then
		check "mandoc -Tlint ${page##*/}" mandoc -Tlint -Wwarning "$page"
	else
		skip "mandoc -Tlint ${page##*/}" "mandoc is not installed"
	fi
done

described() { # WORD
	sed 's/\\-/-/g' "$man/preallocate.1" | grep -Eq -- "(Cm|Fl|Ic) ${1#-}( |$)"
}
completed() {
	grep -Eq -- "(^|[^-a-z])$1([^-a-z]|$)" "$PREALLOCATE_SRCDIR/completions/preallocate"
}
for word in run check-rules match settle trim recover bench version help; do
	check "preallocate(1) describes '$word'" described "$word"
	check "the completion knows '$word'" completed "$word"
done
for word in '' run check-rules match settle trim recover bench version help; do
	# shellcheck disable=SC2086
	"$PREALLOCATE_BUILDDIR/preallocate" help $word
done >"$SCRATCH/help" 2>&1
grep -Eo -- '(^|[ ,[])--[a-z][-a-z]*' "$SCRATCH/help" | grep -Eo -- '--.*' | sort -u \
	>"$SCRATCH/options"
while read -r option; do
	check "preallocate(1) describes $option" described "$option"
	check "the completion knows $option" completed "$option"
done <"$SCRATCH/options"
done_testing
