#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set and use
# A program and its guardian frozen together, or their filesystem, for longer than the kernel waits
# for a lease: a neighbour gets in, and appends where it finds the end. When they are thawed, not a
# byte of either is lost, nor at the end, nor in recovery.
#
# PREALLOCATE_TEST_ROUNDS: of each kind on each filesystem (1), each three seconds long; ext4 and tmpfs
# unless PREALLOCATE_TEST_FILESYSTEMS names others. /proc/sys/fs/lease-break-time is
# lowered meanwhile.

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
lease_time alone
. "$(dirname "$0")/../lib/writers.sh"
. "$(dirname "$0")/../lib/cgroup.sh"
. "$(dirname "$0")/../lib/recovery.sh"

FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 tmpfs}
ROUNDS=${PREALLOCATE_TEST_ROUNDS:-$(rounds 1)}
SETTING=/proc/sys/fs/lease-break-time
run_options=(--prealloc-size 1M --idle 60s)

lease_break_time=$(cat "$SETTING" 2>/dev/null)
restore_setting() {
	echo "$lease_break_time" >"$SETTING"
}
[ -n "$lease_break_time" ] && echo 1 2>/dev/null >"$SETTING" || skip_all "$SETTING can't be written"
at_exit restore_setting
new_group || skip_all "a control group that can be frozen can't be made here"

neighbours=0

# Not created: on a frozen filesystem even the open would wait.
neighbour_appends() { # FILE
	neighbours=$((neighbours + 1))
	yes "neighbour $neighbours" | head -n 300 |
		dd of="$1" bs=64k iflag=fullblock oflag=append conv=nocreat,notrunc status=none
}

neighbour_reads() { # FILE
	# Longer than its data, and full of NULs, for as long as nobody can cut it.
	cat "$1" >/dev/null
}

# All that the writer has acknowledged, in order, and each neighbour's lines; between them nothing
# but zeroes.
nothing_lost() { # FILE
	local i

	remember
	tr -d '\000' <"$1" >"$SCRATCH/seen"
	for ((i = 1; i <= neighbours; i++)); do
		[ "$(grep -cx "neighbour $i" "$SCRATCH/seen")" -eq 300 ] || {
			echo "neighbour $i: $(grep -cx "neighbour $i" "$SCRATCH/seen") lines of 300"
			return 1
		}
	done
	grep -v '^neighbour' "$SCRATCH/seen" >"$SCRATCH/own"
	sees_all "$SCRATCH/own"
}

freeze() { # HOW
	case $1 in
	group) freeze_group ;;
	filesystem) fsfreeze -f "$MNT" ;;
	esac
}

thaw() { # HOW
	case $1 in
	group) thaw_group ;;
	filesystem) fsfreeze -u "$MNT" ;;
	esac
}

frozen_once() { # HOW METHOD NEIGHBOUR
	local how=$1 method=$2 neighbour=$3 file=$MNT/frozen.data visitor status=0
	local prefix

	neighbours=0
	rm -f "$file" "$ACK"
	set_prefix zero '*.data*'
	(in_group "${prefix[@]}" "$HELPERS/appender" -m "$method" -n 1000000 -s 60-300 -d 3000 \
		"$ACK" "$file") >"$SCRATCH/writer.err" 2>&1 &
	writer=$!
	wait_until 10 has_written || return
	wait_until 5 is_extended "$file" $(($(acknowledged) + 65536)) || { echo 'not extended'; return 1; }
	freeze "$how" || return
	"neighbour_$neighbour" "$file" &
	visitor=$!
	sleep 2.5
	thaw "$how"
	wait $visitor || status=1
	[ "$neighbour" != appends ] || neighbours=1
	goes_on || { echo 'it does not go on'; status=1; }
	nothing_lost "$file" || { echo 'when thawed'; status=1; }
	# One more, while it goes on; but write(2) goes over what others have appended.
	[ "$method" = write ] || neighbour_appends "$file"
	goes_on || { echo 'it does not go on'; status=1; }
	kill -TERM "$writer"
	wait "$writer" 2>/dev/null
	writer=
	wait_until 10 group_is_empty || { echo 'a guardian is left'; status=1; }
	nothing_lost "$file" || { echo 'at the end'; status=1; }
	recover command "$MNT" || { echo 'recovery'; status=1; }
	nothing_lost "$file" || { echo 'after recovery'; status=1; }
	marked "$file" && status=1
	# Between what was ours and a neighbour's bytes nothing can be cut; behind them it must be.
	[ "$(tail -c 1 "$file" | tr '\000' 'N')" != N ] || { echo 'NULs at the end'; status=1; }
	rm -f "$file"
	return $status
}

frozen() {
	local round

	for ((round = 0; round < ROUNDS; round++)); do
		frozen_once "$@" || return
	done
}

unfreeze() {
	[ -z "$MNT" ] || fsfreeze -u "$MNT" 2>/dev/null
	thaw_group
}
at_exit unfreeze

each_filesystem() {
	local method

	for method in append write; do
		check "$1: frozen together, $method, a neighbour appends" frozen group $method appends
		check "$1: frozen together, $method, a neighbour reads" frozen group $method reads
	done
	# tmpfs can't be frozen.
	[ "$1" = tmpfs ] || ! command -v fsfreeze >/dev/null ||
		check "$1: the filesystem frozen, a neighbour appends" frozen filesystem append appends
}

for_each_filesystem each_filesystem
done_testing
