#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random sequences of calls give the same answers on a managed file as on a plain one: a slice of
# the differential machine, with fresh seeds each time, and the machine against itself.
#
#	PREALLOCATE_TEST_SECONDS	of each mode on each filesystem, 12
#	PREALLOCATE_TEST_OPERATIONS	so many instead, however long they take
#	PREALLOCATE_TEST_DIFFER		further options of the machine (--seed N)
. "$(dirname "$0")/../lib/tap.sh"
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

SECONDS_EACH=${PREALLOCATE_TEST_SECONDS:-12}
DIFFER=$PREALLOCATE_BUILDDIR/tests/fuzz/differ/differ
TOTALS=$SCRATCH/totals

read -ra further <<<"${PREALLOCATE_TEST_DIFFER:-}"

differ() { # MODE SECONDS
	local amount=(--seconds "$2")

	[ -z "${PREALLOCATE_TEST_OPERATIONS:-}" ] || [ "$1" = plain ] ||
		amount=(--operations "$PREALLOCATE_TEST_OPERATIONS")
	"$DIFFER" --mode "$1" "${amount[@]}" "${further[@]}" "$MNT" >"$SCRATCH/said"
	local status=$?
	cat "$SCRATCH/said"
	# A difference has its sequence printed below the totals.
	sed -n "s/^mode=/$filesystem differences=$((status != 0)) mode=/p" "$SCRATCH/said" >>"$TOTALS"
	return $status
}

each_mode() { # FILESYSTEM
	local mode

	filesystem=$1
	# What the machine finds without the library would be a fault of its own.
	check "$1: without the library" differ plain 2
	library_left_out && return
	for mode in $MODES; do
		check "$1: mode $mode" differ "$mode" "$SECONDS_EACH"
		diag "$(tail -n 1 "$TOTALS")"
	done
}

table() {
	awk '
	BEGIN { printf "%-8s %-6s %12s %10s %9s %8s %8s %5s\n", "on", "mode", "operations",
		"sequences", "extended", "seconds", "per s", "diff" }
	{
		for (i = 2; i <= NF; i++) {
			split($i, pair, "=")
			v[pair[1]] = pair[2]
		}
		operations = v["operations"]
		printf "%-8s %-6s %12d %10d %8.1f%% %8d %8d %5d\n", $1, v["mode"], operations,
			v["sequences"], operations ? 100 * v["extended"] / operations : 0,
			v["seconds"], operations / (v["seconds"] ? v["seconds"] : 1),
			v["differences"]
		if (v["mode"] != "plain") {
			total += operations
			differences += v["differences"]
		}
	}
	END { printf "%d operations under the library, %d differences\n", total, differences }
	' "$TOTALS"
}

[ -x "$DIFFER" ] || skip_all "$DIFFER is not built"
for_each_filesystem each_mode
[ ! -f "$TOTALS" ] || diag "$(table)"
done_testing
