#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# However a program ends, or whatever else it does to itself, the next opener sees exactly what
# write(2) had returned for, and nothing of ours is left behind.
#
# PREALLOCATE_TEST_ROUNDS: deaths of each kind on each filesystem (20; 200 for a full run).

# In a process namespace of its own every guardian that is seen belongs to this test.
[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || ! unshare --pid --fork --mount-proc true 2>/dev/null ||
	PREALLOCATE_TEST_NAMESPACE=1 exec unshare --pid --fork --mount-proc --kill-child bash "$0"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/writers.sh"

[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || skip_all "a process namespace needs root"
ROUNDS=${PREALLOCATE_TEST_ROUNDS:-$(rounds 20)}
ulimit -c 0

no_guardian() {
	! grep -lqs '^preallocate-gua' /proc/[0-9]*/comm
}

check_no_guardian() {
	check "$1" wait_until 3 no_guardian
}

# A file that is never extended proves nothing. How many deaths find it longer than its data depends on the machine:
# on a busy one btrfs is slow to give back what the file before it had, and there is nothing to allocate ahead.
# shellcheck disable=SC2034 # run.sh's
run_options=(--idle 30s)
was_extended() {
	local times

	read -r _ times _ <"$SCRATCH/killer.out"
	[ "$times" -ge 1 ]
}

# The tail of a file opened for writing only, on tmpfs: such files aren't extended.
never_provable() { # TYPE appender-options
	[[ "$1 $2" = tmpfs*-o ]]
}

death_by() { # TYPE NAME SIGNAL ENDED-AS appender-options...
	local type=$1 name=$2 signal=$3 ended=$4 file=$MNT/dying.data prefix
	shift 4

	set_prefix zero '*.data'
	killer() {
		"$HELPERS/killer" -n "$ROUNDS" -s "$signal" -w "$ended" "$ACK" "$file" \
			"${prefix[@]}" "$HELPERS/appender" -n 300000 -s 40-3000 "$@" "$ACK" "$file" \
			>"$SCRATCH/killer.out" || { cat "$SCRATCH/killer.out"; return 1; }
	}
	check "$type: $name, $ROUNDS times" killer "$@"
	never_provable "$type" "$*" || library_left_out || check "$type: extended when $name came" was_extended ||
		diag "$(cat "$SCRATCH/killer.out")"
	check_no_guardian "$type: nothing left after $name"
	rm -f "$file"
}

deaths() {
	death_by "$1" SIGKILL 9 signal:9
	death_by "$1" "SIGKILL, synced" 9 signal:9 -y -m append
	death_by "$1" SIGTERM 15 signal:15 -m append
	death_by "$1" SIGINT 2 signal:2 -m writev
	death_by "$1" SIGSEGV 0 signal:11 -e segv -k 20000
	death_by "$1" abort 0 signal:6 -e abort -k 20000 -m pwrite
	death_by "$1" "SIGKILL, write-only" 9 signal:9 -m pwrite -o
	death_by "$1" _exit 0 exit:0 -e _exit -k 20000
	death_by "$1" exit 0 exit:0 -e exit -k 20000
	death_by "$1" exec 0 exit:0 -e exec -k 20000 -x "$HELPERS/record-check"
}

# Both ways: what the program says of itself must be the same.
survivor() { # RUN WHAT FILE [STDIN]
	local run=$1 what=$2 file=$3 prefix=()

	rm -f "$ACK" "$file"
	[ "$run" = plain ] || set_prefix zero '*.data'
	timeout "$(patience 20)" "${prefix[@]}" "$HELPERS/survivor" "$what" "$ACK" "$file" \
		>"$SCRATCH/$what.$run" 2>&1 </dev/null
	echo "exit status $?" >>"$SCRATCH/$what.$run"
}

survives() { # TYPE WHAT [WARNING that the library may give]
	local file=$MNT/survivor.data

	survivor plain "$2" "$file"
	survivor managed "$2" "$file"
	[ -z "${3:-}" ] || sed -i "/^preallocate: warn: $3/d" "$SCRATCH/$2.managed"
	is "$1: $2 as without the library" "$(cat "$SCRATCH/$2.managed")" \
		"$(cat "$SCRATCH/$2.plain")"
	check "$1: $2, nothing lost" "$HELPERS/record-check" "$ACK" "$file"
	check_no_guardian "$1: $2, nothing left"
	rm -f "$file"
}

milliseconds() { # of a command
	local began=${EPOCHREALTIME/[.,]/}

	"$@" >"$SCRATCH/timed" 2>&1 || diag "$(head -n 5 "$SCRATCH/timed")" >&2
	echo $(((${EPOCHREALTIME/[.,]/} - began) / 1000))
}

# TOOK ORDINARY: a reader who waits for a guardian that doesn't answer waits for lease-break-time; what an
# ordinary file takes tells how slow the machine is.
is_no_wait() {
	[ "$1" -lt $((500 + 100 * $2)) ]
}

# It goes on living; a neighbour reads meanwhile.
holds_on() { # TYPE WHAT
	local file=$MNT/survivor.data pid took

	rm -f "$ACK" "$file" "$SCRATCH/stdin"
	mkfifo "$SCRATCH/stdin"
	managed_exec zero '*.data' "$HELPERS/survivor" "$2" "$ACK" "$file" \
		<"$SCRATCH/stdin" >"$SCRATCH/holding" 2>&1 &
	pid=$!
	exec 9>"$SCRATCH/stdin"
	check "$1: $2: it lives" wait_until 5 grep -q holding "$SCRATCH/holding"
	took=$(milliseconds "$HELPERS/record-check" "$ACK" "$file")
	check "$1: $2: a neighbour waits ${took} ms" is_no_wait "$took" \
		"$(milliseconds "$HELPERS/record-check" "$ACK" "$file")"
	check "$1: $2: a neighbour sees every byte" "$HELPERS/record-check" "$ACK" "$file"
	exec 9>&-
	check "$1: $2: ends well" wait $pid
	is "$1: $2: the file is still root's" "$(stat -c %U "$file")" "$(id -un)"
	check "$1: $2: nothing lost" "$HELPERS/record-check" "$ACK" "$file"
	check_no_guardian "$1: $2, nothing left"
	survivor plain "$2" "$file"
	is "$1: $2: says the same without the library" "$(cat "$SCRATCH/holding")" \
		"$(grep -v '^exit status' "$SCRATCH/$2.plain")"
	rm -f "$file"
}

stopped() { # TYPE METHOD [-o]
	local file=$MNT/stopped.data i slowest=0 took ordinary=0 again wrong=0 extended=0 type=$1 name="$1: $2${3:+ $3}"
	shift

	for i in $(seq "$ROUNDS"); do
		start_writer zero "$file" -n 200000 -s 40-2000 -d 100 -m "$@"
		# The first extension waits for the guardian's start; then at any moment.
		never_provable "$type" "$*" || library_left_out || wait_until 3 is_held_extended "$file"
		sleep "0.0$((RANDOM % 40 + 10))"
		kill -STOP "$writer"
		! is_held_extended "$file" || extended=$((extended + 1))
		took=$(milliseconds "$HELPERS/record-check" -i "$ACK" "$file")
		[ "$took" -le "$slowest" ] || slowest=$took
		again=$(milliseconds "$HELPERS/record-check" -i "$ACK" "$file")
		[ "$again" -le "$ordinary" ] || ordinary=$again
		"$HELPERS/record-check" -i "$ACK" "$file" >"$SCRATCH/stopped" 2>&1 || wrong=$i
		kill -CONT "$writer"
		# A file of some hundred megabytes would make reading it the measurement.
		end_writer TERM
		"$HELPERS/record-check" -i "$ACK" "$file" >>"$SCRATCH/stopped" 2>&1 || wrong=$i
	done
	is "$name: stopped $ROUNDS times, readers see every byte" "$wrong" 0 ||
		diag "$(head -n 10 "$SCRATCH/stopped")"
	check "$name: no reader waited for a stopped writer (slowest $slowest ms, then $ordinary ms)" \
		is_no_wait "$slowest" "$ordinary"
	never_provable "$type" "$*" || library_left_out ||
		check "$name: extended $extended of $ROUNDS times" test "$extended" -ge 1
	check_no_guardian "$name: nothing left after SIGSTOP"
	rm -f "$file"
}

continued() {
	local file=$MNT/continued.data

	start_writer zero "$file" -n 1000000 -d 500
	kill -STOP "$writer"
	check "$1: a reader of a stopped writer's file" "$HELPERS/record-check" -i "$ACK" "$file"
	kill -CONT "$writer"
	check "$1: the writer goes on after SIGCONT" goes_on
	end_writer TERM
	check "$1: nothing lost after SIGCONT" "$HELPERS/record-check" -i "$ACK" "$file"
	rm -f "$file"
}

cgroup=
remove_cgroup() {
	[ -z "$cgroup" ] || wait_until 3 rmdir "$cgroup" 2>/dev/null
	cgroup=
}
at_exit remove_cgroup

make_cgroup() { # whichever version of cgroups is there
	local top

	for top in /sys/fs/cgroup/memory /sys/fs/cgroup /sys/fs/cgroup/unified; do
		[ -e "$top/cgroup.procs" ] || continue
		mkdir "$top/preallocate-test.$$.$RANDOM" 2>/dev/null || continue
		cgroup=$(ls -d "$top"/preallocate-test.$$.* | head -n 1)
		echo 33554432 2>/dev/null >"$cgroup/memory.limit_in_bytes" && return
		echo 33554432 2>/dev/null >"$cgroup/memory.max" && return
		remove_cgroup
	done
	return 1
}

out_of_memory() {
	local file=$MNT/memory.data status

	make_cgroup || {
		skip "$1: OOM kill" "no memory cgroup can be made here"
		return
	}
	rm -f "$ACK" "$file"
	(
		echo "$BASHPID" >"$cgroup/cgroup.procs"
		managed_exec zero '*.data' "$HELPERS/survivor" eat-memory "$ACK" "$file"
	) 2>/dev/null
	status=$?
	check "$1: after an OOM kill a neighbour sees every byte" \
		"$HELPERS/record-check" -i "$ACK" "$file"
	is "$1: it was the OOM killer" $status 137
	check_no_guardian "$1: nothing left after an OOM kill"
	remove_cgroup
	rm -f "$file"
}

ready_or_gone() {
	[ -s "$SCRATCH/server" ] || ! kill -0 "$1" 2>/dev/null
}

restarted() {
	local file=$MNT/server.data port=$((20000 + RANDOM % 10000)) i pid wrong=0

	rm -f "$ACK" "$file"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		: >"$SCRATCH/server"
		managed_exec zero '*.data' "$HELPERS/survivor" server "$ACK" "$file" "$port" \
			>"$SCRATCH/server" 2>&1 &
		pid=$!
		wait_until 5 ready_or_gone $pid
		grep -q ready "$SCRATCH/server" || wrong="$i: $(cat "$SCRATCH/server")"
		sleep 0.02
		kill -KILL $pid
		wait $pid 2>/dev/null
	done
	is "$1: a server killed and started again at once has its port and its locks" "$wrong" 0
	# A record written but not acknowledged at one death is written again after it.
	check "$1: no NUL in what ten servers wrote" sh -c '! tr -d "\001-\377" <"$1" | grep -q .' - "$file"
	check_no_guardian "$1: nothing left of ten servers"
	rm -f "$file"*
}

lives() {
	deaths "$1"
	survives "$1" pthread-exit
	survives "$1" wait
	survives "$1" unshare 'no guardian (.*: the program can.t be traced, and it could be'
	holds_on "$1" drop-root
	holds_on "$1" close-all
	holds_on "$1" close-others
	holds_on "$1" close-range
	stopped "$1" append
	stopped "$1" pwrite
	stopped "$1" pwrite -o
	continued "$1"
	out_of_memory "$1"
	restarted "$1"
}

for_each_filesystem lives
done_testing
