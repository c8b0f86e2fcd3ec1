#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random sequences of calls give the same answers on a managed file as on a plain one: a slice of
# the differential machine, with fresh seeds each time, and the machine against itself.
#
#	PREALLOCATE_TEST_SECONDS	of each mode on each filesystem, 7
#	PREALLOCATE_TEST_OPERATIONS	so many instead, however long they take
#	PREALLOCATE_TEST_DIFFER		further options of the machine (--seed N)
. "$(dirname "$0")/../lib/tap.sh"
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}
PREALLOCATE_TEST_MODES=${PREALLOCATE_TEST_MODES:-zero write keep auto}
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

SECONDS_EACH=${PREALLOCATE_TEST_SECONDS:-7}
DIFFER=$PREALLOCATE_BUILDDIR/tests/fuzz/differ/differ
TOTALS=$SCRATCH/totals

read -ra further <<<"${PREALLOCATE_TEST_DIFFER:-}"

# All on one line: the name of a failing check is the one thing that every log shows of it.
found() {
	local line

	line=$(sed -e '/^mode=/d' -e 's/^# *//' -e 's/^->//' "$SCRATCH/said" | tr -d '\000\r' |
		tr -s '\t\n #' ' ')
	[ ${#line} -le 500 ] || line="${line:0:200} ... ${line: -300}"
	printf '%s' "${line% }"
}

differ() { # NAME MODE SECONDS
	local amount=(--seconds "$3") status

	# It extends what is synced often, which few of the sequences do.
	[ "$2" != auto ] || amount+=(--least 0)

	[ -z "${PREALLOCATE_TEST_OPERATIONS:-}" ] || [ "$2" = plain ] ||
		amount[0]=--operations amount[1]=$PREALLOCATE_TEST_OPERATIONS
	"$DIFFER" --mode "$2" "${amount[@]}" "${further[@]}" "$MNT" >"$SCRATCH/said" 2>&1 </dev/null
	status=$?
	# A difference has its sequence printed below the totals.
	sed -n "s/^mode=/$filesystem differences=$((status != 0)) mode=/p" "$SCRATCH/said" >>"$TOTALS"
	if [ $status -eq 0 ]; then
		is "$1" 0 0
	else
		is "$1: $(found)" "status $status" "status 0"
		diag "$(tr -d '\000' <"$SCRATCH/said")"
	fi
}

each_mode() { # FILESYSTEM
	local mode

	filesystem=$1
	# What the machine finds without the library would be a fault of its own.
	differ "$1: without the library" plain 2
	library_left_out && return
	for mode in $MODES; do
		differ "$1: mode $mode" "$mode" "$SECONDS_EACH"
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
