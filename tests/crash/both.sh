#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set and use
# A program and its guardian killed at the same instant: by cgroup.kill, and by the end of the init
# of their process namespace. After recovery, by the command or by the library of the next program
# that opens the file, every byte is there that a write had returned for, and the file ends with it
# or with a later written one. Only where a record of the end wasn't due yet, since the data end in
# zeroes that nothing had synced, zeroes may follow up to the block's end.
#
# PREALLOCATE_TEST_ROUNDS: of each kind of writer on each filesystem (2; 12 for 576 deaths).

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/cgroup.sh"
. "$(dirname "$0")/../lib/recovery.sh"

FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs overlayfs}
ROUNDS=${PREALLOCATE_TEST_ROUNDS:-$(rounds 2)}
ACK=$SCRATCH/acknowledged
run_options=(--prealloc-size 8M)
deaths=0
longer=0

new_group || skip_all "a control group that can be killed can't be made here"

start_load() { # HOW command...
	local how=$1
	shift

	case $how in
	group)
		(in_group "$@") >"$SCRATCH/load.out" 2>&1 &
		disown
		;;
	namespace)
		# The program may not be the init itself: it would not be extended.
		unshare --pid --fork --mount-proc --kill-child sh -c '"$@" & wait' - "$@" \
			>"$SCRATCH/load.out" 2>&1 &
		;;
	esac
	starter=$!
	wait_until 10 has_appended "$ACK" || {
		diag "nothing was appended: $(head -n 3 "$SCRATCH/load.out")"
		return 1
	}
}

end_load() { # HOW
	case $1 in
	group) kill_group ;;
	namespace) kill -KILL "$(cat "/proc/$starter/task/$starter/children")" ;;
	esac
	wait "$starter" 2>/dev/null
	return 0
}

# What end-check says, and what the mark says: it must be gone.
left() { # DUE FILES FILE
	# By several threads: nobody knows the order beforehand.
	if [ "$1" = shared ]; then
		"$HELPERS/record-check" -i "$ACK" "$3" 2>&1 && echo 'exact exact' >>"$SCRATCH/totals"
		marked "$3"
		return
	fi
	"$HELPERS/end-check" -k -v -f "$2" "$ACK" "$3" >"$SCRATCH/left"
	sed "s/^/$1 /" "$SCRATCH/left" >>"$SCRATCH/totals"
	case $1 in
	exact) grep -Ev '^(exact|unsynced-exact|unsynced-absent) ' "$SCRATCH/left" ;;
	block) grep -Ev '^(exact|block|open|unsynced-exact|unsynced-absent) ' "$SCRATCH/left" ;;
	esac
	marked "$3"*
}

one_death() { # HOW RECOVERY DUE FILES appender-options...
	local how=$1 recovery=$2 due=$3 files=$4 prefix file=$MNT/both.data
	shift 4

	rm -f "$ACK" "$file"*
	set_prefix "${mode:-zero}" '*.data*'
	start_load "$how" "${prefix[@]}" "$HELPERS/appender" -n 300000 "$@" "$ACK" "$file" || return
	sleep "0.0$((RANDOM % 30 + 10))"
	end_load "$how"
	deaths=$((deaths + 1))
	! is_longer "$ACK" "$file"* || longer=$((longer + 1))
	recover "$recovery" "$MNT" "$file"* >"$SCRATCH/recovered" 2>&1
	left "$due" "$files" "$file" >"$SCRATCH/wrong"
	[ ! -s "$SCRATCH/wrong" ] || {
		echo "$how, recovered by $recovery:"
		head -n 5 "$SCRATCH/wrong" "$SCRATCH/recovered"
		return 1
	}
}

deaths_of() { # DUE FILES appender-options...
	local round how recovery wrong=0 ways=(group namespace)

	for ((round = 0; round < ROUNDS; round++)); do
		how=${ways[deaths % 2]}
		recovery=${RECOVERIES[deaths % ${#RECOVERIES[@]}]}
		one_death "$how" "$recovery" "$@" || wrong=$((wrong + 1))
	done
	[ $wrong -eq 0 ] || echo "wrong $wrong times"
	[ $wrong -eq 0 ]
}

death_of() { # TYPE NAME DUE FILES appender-options...
	local what="$1: $2, $ROUNDS times"
	shift 2

	check "$what" deaths_of "$@"
}

each_filesystem() {
	death_of "$1" 'text' exact 0 -s 40-3000
	death_of "$1" 'text, O_APPEND, fdatasync' exact 0 -s 100 -m append -y
	death_of "$1" 'pwrite' exact 0 -s 40-3000 -m pwrite
	death_of "$1" '4 KiB, O_DSYNC' exact 0 -s 4096 -Y dsync
	death_of "$1" 'zeroes at the end' block 0 -s 40-9000 -z
	death_of "$1" 'zeroes at the end, fdatasync' exact 0 -s 40-9000 -z -y
	death_of "$1" 'zeroes at the end, O_DSYNC' exact 0 -s 40-9000 -z -Y dsync -m pwrite
	death_of "$1" 'zeroes by habit' block 0 -s 40-3000 -Z
	death_of "$1" 'records of one size, zeroes at the end, fdatasync' exact 0 -s 512 -z -y
	death_of "$1" '4 threads, O_APPEND' shared 0 -s 40-3000 -t 4 -m append
	death_of "$1" '20 files' exact 20 -f 20 -s 40-3000 -t 4
	death_of "$1" '20 files, zeroes, fdatasync now and then' block 20 -f 20 -s 40-9000 -z -y -E 7
	mode='write' death_of "$1" 'mode write, fdatasync' exact 0 -s 40-9000 -y
	mode='write' death_of "$1" 'mode write, zeroes at the end' "$([ "$1" = btrfs ] && echo block || echo exact)" \
		0 -s 40-9000 -z
	death_of "$1" 'closed and opened again' block 5 -f 5 -s 40-3000 -z -r 9
	death_of "$1" 'one file after another, synced' exact 60 -f 60 -q -n 20 -s 40-3000 -y -e hold
}

: >"$SCRATCH/totals"
for_each_filesystem each_filesystem
diag "$deaths deaths, in $longer the files were longer than their data; the files then:"
diag "$(cut -d' ' -f1,2 "$SCRATCH/totals" | sed 's/^/due: /;s/ /, is: /2' | sort | uniq -c)"
library_left_out || check 'most deaths came while the files were extended' \
	test $((longer * 2)) -ge $deaths
done_testing
