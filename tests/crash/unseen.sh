#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set and use
# Writers that the library doesn't see write past the data of an extended file: a system call by
# instruction, io_uring, another process where the rule says exclusive=assume, another process after
# a crash. Their bytes are still there when the file is settled, and after recovery.

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/cgroup.sh"
. "$(dirname "$0")/../lib/recovery.sh"

FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}
new_group || skip_all "a control group that can be killed can't be made here"
file=
mkfifo "$SCRATCH/input"

said() {
	[ -s "$SCRATCH/said" ] || ! kill -0 "$program" 2>/dev/null
}

# at=(where the unseen bytes are)
start() { # HOW GAP
	local prefix

	rm -f "$file"
	: >"$SCRATCH/said"
	set_prefix zero '*.data*'
	(in_group "${prefix[@]}" "$HELPERS/unseen" "$@" "$file") >"$SCRATCH/said" 2>"$SCRATCH/err" \
		<"$SCRATCH/input" &
	program=$!
	exec 7>"$SCRATCH/input"
	wait_until 10 said
	# Where the record of the end would go they have been noticed, and the file is settled.
	read -r at real <"$SCRATCH/said" &&
		{ library_left_out || [[ $2 = -*z ]] || [ "$real" -gt $((at + 700)) ]; } || {
		echo "not extended: $at of $real"
		cat "$SCRATCH/err"
		killed
		return 1
	}
}

settled() {
	exec 7>&-
	wait "$program" || return
	wait_until 10 group_is_empty
}

killed() {
	disown "$program" # its death is no news
	kill_group
	exec 7>&-
}

all_there() { # AT[z]
	local found

	found=$("$HELPERS/unseen" check "$1" "$file") && [ "$found" = exact ] || {
		echo "$found"
		return 1
	}
}

unseen_settled() { # HOW GAP
	start "$@" && settled || return
	all_there "$at${2//[-0-9]/}"
}

unseen_recovered() { # HOW GAP
	start "$@" && killed || return
	recover command "$MNT" "$file" || return
	! marked "$file" || return
	all_there "$at${2//[-0-9]/}"
}

# The kernel knows of no lease that would keep the other one out.
assumed() { # GAP|- WHAT-THEN
	local run_options=(--prealloc-size 1M --exclusive assume) where=-

	start none "$1" || return
	[ "$1" = - ] || where=$at
	at=$("$HELPERS/unseen" neighbour "$where" "$file") || return
	"$2"
	[ "$2" = settled ] || recover command "$MNT" "$file" || return
	! marked "$file" || return
	all_there "$at"
}

# As SQLite did, opening a database after a crash: 50 commits into the tail.
after_a_crash() { # GAP|- RECOVERY
	local where=-

	start none "$1" && killed || return
	[ "$1" = - ] || where=$at
	at=$("$HELPERS/unseen" neighbour "$where" "$file") || return
	recover "$2" "$MNT" "$file" || return
	! marked "$file" || return
	all_there "$at"
}

each_filesystem() {
	local how gap run_options=(--prealloc-size 1M)

	file=$MNT/unseen.data
	for how in raw uring; do
		for gap in 0 100 5000 300000 -701 -5000 5000z -701z -4000z; do
			check "$1: $how, gap $gap: settled" unseen_settled $how $gap
			# Nothing that lasts is lost with the machine, and nothing is marked there.
			[ "$1" = tmpfs ] ||
				check "$1: $how, gap $gap: recovered" unseen_recovered $how $gap
		done
	done
	for gap in 100 300000 -701 -; do
		check "$1: exclusive=assume, gap $gap: settled" assumed $gap settled
		[ "$1" = tmpfs ] || {
			check "$1: exclusive=assume, gap $gap: recovered" assumed $gap killed
			check "$1: after a crash, gap $gap" after_a_crash $gap command
			check "$1: after a crash, gap $gap, by the library" after_a_crash $gap library
		}
	done
}

for_each_filesystem each_filesystem
done_testing
