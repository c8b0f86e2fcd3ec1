#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every row of "WHAT CAN STILL BE TOLD" in libpreallocate(7) has a name (a comment above it), and
# tests/preload/told.sh shows each, and no other.
. "$(dirname "$0")/../lib/tap.sh"

manual=$PREALLOCATE_SRCDIR/man/libpreallocate.7
table=$(sed -n '/^\.Sh WHAT CAN STILL BE TOLD/,/^A neighbour that had/p' "$manual")
rows=$(sed -n 's/^\.\\" told: //p' <<<"$table" | sort)
shown=$(sed -nE 's/.*(row|is|skip|check|check_not) "?([a-z-]+)(:| (zero|keep) ).*/\2/p' \
	<(grep -v '^#' "$PREALLOCATE_SRCDIR/tests/preload/told.sh") | sort -u)

check "there are rows" test -n "$rows"
is "each has its own name" "$(uniq -d <<<"$rows")" ""
is "each row has one" "$(grep -c '^\.It ' <<<"$table")" "$(wc -l <<<"$rows")"
is "each is shown, and no other" "$shown" "$rows"
done_testing
