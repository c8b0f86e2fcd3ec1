#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Other programs that open a file while it is held extended see its true size and bytes, and the
# writer goes on.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/writers.sh"

need rsync file tar gzip python3

SEEN=$SCRATCH/seen

with_cat() { cat "$1" >"$SEEN"; }
with_cp() { cp "$1" "$SEEN"; }
with_rsync() { rsync -a "$1" "$SEEN"; }
with_tail() {
	local pid had

	had=$(acknowledged)
	tail -c +1 -f "$1" >"$SEEN" &
	pid=$!
	has_seen() { [ "$(stat -c %s "$SEEN")" -ge "$had" ]; }
	wait_until 5 has_seen
	sleep 0.1
	kill $pid
	wait $pid 2>/dev/null
	has_seen
}
with_python() {
	"$PYTHON" -S -E -c 'import os, sys
with open(sys.argv[1], "rb") as f:
    size = os.fstat(f.fileno()).st_size
    text = f.read()
    assert len(text) >= size, (len(text), size)
    assert b"\0" not in text
with open(sys.argv[2], "wb") as f:
    f.write(text)' "$1" "$SEEN"
}

# A fresh writer for each: after a challenge a file isn't extended for a while.
neighbour() { # TYPE NAME
	local file=$MNT/neighbour.data

	rm -f "$SEEN"
	start_writer zero "$file" -n 1000000 -d 1000 -m append
	check_held_extended "$1: extended when $2 comes" "$file"
	remember
	check "$1: $2" "with_$2" "$file"
	check "$1: $2 sees every byte, no NUL" sees_all "$SEEN"
	check "$1: the writer goes on after $2" goes_on
	end_writer TERM
	check "$1: nothing lost" "$HELPERS/record-check" -i "$ACK" "$file"
}

two_writers() { # TYPE SECOND: managed or plain
	local file=$MNT/two.data second

	start_writer zero "$file" -n 1500 -d 300 -m append -e close
	if [ "$2" = managed ]; then
		managed_exec zero '*.data' "$HELPERS/appender" -w 1 -n 1500 -d 300 -m append \
			"$ACK" "$file" &
	else
		plain "$HELPERS/appender" -w 1 -n 1500 -d 300 -m append "$ACK" "$file" &
	fi
	second=$!
	check "$1: the first of two writers" end_writer
	check "$1: the second, $2" wait $second
	check "$1: two programs append, nothing lost" "$HELPERS/record-check" "$ACK" "$file"
}

reader_first() {
	local file=$MNT/first.data reader

	mkfifo "$SCRATCH/hold"
	: >"$file"
	# start_writer removes the file; this one must stay.
	rm -f "$ACK"
	(exec 8<"$file"; read -r _ <"$SCRATCH/hold") &
	reader=$!
	exec 9>"$SCRATCH/hold"
	managed_exec zero '*.data' "$HELPERS/appender" -n 1000 -d 500 "$ACK" "$file" 9>&- &
	writer=$!
	wait_until 5 has_written
	check "$1: a reader that was there first: never extended" never_extended "$file"
	exec 9>&-
	wait $reader
	check "$1: and the writer ends well" wait $writer
	writer=
	rm "$SCRATCH/hold"
	check "$1: nothing lost" "$HELPERS/record-check" "$ACK" "$file"
}

open_in_a_loop() {
	local file=$MNT/loop.data i wrong=0

	for i in 1 2 3 4 5; do
		start_writer zero "$file" -n 1000000 -d 300 -m append -s 40-3000
		library_left_out || wait_until 3 is_held_extended "$file" || wrong=extended
		"$HELPERS/open-loop" -r 5 -n 1000 "$ACK" "$file" >"$SCRATCH/loop.$i" 2>&1 || wrong=$i
		end_writer TERM
		"$HELPERS/record-check" -i "$ACK" "$file" >>"$SCRATCH/loop.$i" 2>&1 || wrong=$i
	done
	is "$1: five readers, 5,000 opens, no NUL" "$wrong" 0 ||
		diag "$(head -n 20 "$SCRATCH"/loop.*)"
	diag "$(sed -n 's/.*slowest took/slowest open:/p' "$SCRATCH"/loop.* | sort -t: -k2 -g | tail -n 1)"
}

is_exact() {
	[ "$(real_size "$1")" -eq "$(acknowledged)" ]
}

idle() {
	local file=$MNT/idle.data

	start_writer zero "$file" -n 300 -e hold
	check_held_extended "$1: extended by 300 appends" "$file"
	check "$1: settled when nothing is appended any more" wait_until 4 is_exact "$file"
	check "$1: exactly what was written" "$HELPERS/record-check" "$ACK" "$file"
	archivers "$1" "an idle file" "$file"
	end_writer
	check "$1: exactly what was written, closed" "$HELPERS/record-check" "$ACK" "$file"
}

with_tar() {
	tar -C "${1%/*}" -cf "$SCRATCH/seen.tar" "${1##*/}" && tar -xOf "$SCRATCH/seen.tar" >"$SEEN"
}
with_gzip() { gzip -c "$1" | gunzip -c >"$SEEN"; }
with_file() { file -b "$1" | grep -q 'ASCII text' && cat "$1" >"$SEEN"; }

archivers() { # TYPE WHEN FILE: they open with O_NONBLOCK
	local program

	for program in tar gzip file; do
		rm -f "$SEEN"
		check "$1: $program on $2" "with_$program" "$3"
		check "$1: $program saw every byte" "$HELPERS/record-check" "$ACK" "$SEEN"
	done
}

# Extended until somebody comes: idle is half a minute here.
held_for_long() {
	# shellcheck disable=SC2034 # run.sh's
	run_options=(--idle 30s)
	start_writer zero "$2" -n 300 -e hold
	# shellcheck disable=SC2034
	run_options=()
	check_held_extended "$1: extended $3" "$2"
}

after_settle() {
	local file=$MNT/settled.data

	held_for_long "$1" "$file" "before preallocate settle"
	library_left_out || check "$1: preallocate settle" "$PREALLOCATE" settle "$file"
	is "$1: the file is settled" "$(real_size "$file")" "$(acknowledged)"
	archivers "$1" "a settled file" "$file"
	end_writer
}

# Here the library waits for them.
loaded_in_the_neighbour() {
	local file=$MNT/loaded.data program

	for program in tar gzip file; do
		held_for_long "$1" "$file" "when $program comes with the library"
		export -f with_$program
		export SEEN SCRATCH
		rm -f "$SEEN"
		check "$1: $program with the library loaded" \
			managed zero '*.data' bash -c "with_$program \"\$1\"" - "$file"
		check "$1: $program saw every byte" "$HELPERS/record-check" "$ACK" "$SEEN"
		end_writer
	done
}

neighbours() {
	local name

	for name in cat cp tail python rsync; do
		neighbour "$1" $name
	done
	two_writers "$1" managed
	two_writers "$1" plain
	reader_first "$1"
	idle "$1"
	after_settle "$1"
	loaded_in_the_neighbour "$1"
	open_in_a_loop "$1"
	rm -f "$MNT"/*.data
}

for_each_filesystem neighbours
done_testing
