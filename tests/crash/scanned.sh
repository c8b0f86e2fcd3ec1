#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set
# Somebody listens for permission events (a virus scanner): the kernel opens for him each file that is read,
# while whoever reads it waits. Nobody waits longer for that than for an ordinary file: neither a neighbour
# who opens and reads an extended file, nor its program, nor the listener; and all read the right bytes.
#
# PREALLOCATE_TEST_FILESYSTEMS: on these (ext4 and XFS).
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

SCANNER=$HELPERS/scanner
ALLOWANCE=$(slowed 100) # ms
LINE=600 # whole ones are appended
run_options=(--prealloc-size 4M --idle 60s)

inputs=0
start() { # NAME COMMAND...: in the background, until stop NAME
	local name=$1 fifo
	shift
	inputs=$((inputs + 1))
	fifo=$SCRATCH/input.$inputs
	mkfifo "$fifo"
	"$@" <"$fifo" >"$SCRATCH/$name.out" 2>"$SCRATCH/$name.err" &
	eval "$name=$!"
	exec {input}>"$fifo"
	eval "${name}_input=$input"
	rm "$fifo"
}

stop() { # NAME: tells what it has printed at last
	local pid=$1 input=${1}_input
	[ -n "${!pid:-}" ] || return 0
	eval "exec ${!input}>&-"
	wait "${!pid}"
	local status=$?
	eval "$1="
	[ $status -eq 0 ] || { cat "$SCRATCH/$1.err"; return 1; }
}

is_listening() {
	grep -q listening "$SCRATCH/listener.out"
}

longest_of() {
	tail -n 1 "$SCRATCH/$1.out"
}

# The longest that anybody waits: $waited
look_at() { # FILE
	"$SCANNER" look "$1" >"$SCRATCH/look.out" || return
	[ "$(longest_of look)" -le "$waited" ] || waited=$(longest_of look)
}

is_ahead() {
	(($(real_size "$file") % LINE != 0))
}

day() { # WORK LOOKS PREFIX...
	local work=$1 looks=$2 file=$MNT/scanned.data i
	shift 2
	rm -f "$file"
	waited=0
	start worker "$@" "$SCANNER" "$work" "$file"
	wait_until 10 test -s "$file" || { echo 'nothing is written'; return 1; }
	for ((i = 0; i < looks; i++)); do
		[ $# -eq 0 ] || wait_until 10 is_ahead || { echo 'it is not extended'; return 1; }
		look_at "$file" || return
	done
	sleep 0.5
	stop worker || return
	[ "$(longest_of worker)" -le "$waited" ] || waited=$(longest_of worker)
	look_at "$file"
}

end_all() {
	stop worker >/dev/null
	stop listener >/dev/null
}

# The best of three: a busy machine makes anybody wait.
nobody_waits() { # WORK LOOKS MODE
	compare "$@"
	local status=$?
	end_all
	return $status
}

compare() {
	local prefix plain try status=1

	set_prefix "$3" '*.data'
	for try in 1 2 3; do
		start listener "$SCANNER" listen "$MNT" "$events"
		wait_until 5 is_listening || { cat "$SCRATCH/listener.err"; return 1; }
		day "$1" "$2" || return
		plain=$waited
		day "$1" "$2" "${prefix[@]}" || return
		stop listener || return
		[ "$(longest_of listener)" -le "$waited" ] || waited=$(longest_of listener)
		echo "try $try: longest wait $waited ms, plain $plain ms"
		if [ "$waited" -le $((3 * plain + ALLOWANCE)) ]; then
			status=0
			break
		fi
	done
	return $status
}

at_exit end_all

events=access
start listener "$SCANNER" listen "$SCRATCH" access
wait_until 5 is_listening || skip_all "nobody can listen for permission events: $(cat "$SCRATCH/listener.err")"
stop listener

each_filesystem() {
	local mode

	for events in access access,open; do
		for mode in zero write auto; do
			check "$1: $events, mode $mode, a neighbour looks" nobody_waits append 2 "$mode"
			check "$1: $events, mode $mode, the program reads" nobody_waits reread 0 "$mode"
		done
	done
}

for_each_filesystem each_filesystem
done_testing
