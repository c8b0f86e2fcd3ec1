# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A program that holds a file extended in the background, to be sourced after run.sh.
#
#	start_writer MODE FILE appender-options...	$writer is its pid, $ACK what it acknowledged
#	end_writer [SIGNAL]				ends it, by the end of its stdin where it holds
#	acknowledged					bytes that write(2) has returned for
#	is_held_extended FILE				FILE is longer than these
#	never_extended FILE				it isn't, however often one looks
#	goes_on						more is acknowledged within two seconds

ACK=$SCRATCH/acknowledged
writer=
writer_input=
writers=0

start_writer() {
	local mode=$1 file=$2 fifo
	shift 2

	rm -f "$ACK" "$file"
	writers=$((writers + 1))
	fifo=$SCRATCH/writer.$writers
	mkfifo "$fifo"
	managed_exec "$mode" '*.data' "$HELPERS/appender" "$@" "$ACK" "$file" \
		<"$fifo" 2>"$SCRATCH/writer.err" &
	writer=$!
	exec {writer_input}>"$fifo"
	rm "$fifo"
	wait_until 5 has_written || {
		diag "the writer wrote nothing: $(head -n 3 "$SCRATCH/writer.err")"
		return 1
	}
}

end_writer() {
	[ -n "$writer" ] || return 0
	exec {writer_input}>&-
	[ $# -eq 0 ] || kill "-$1" "$writer" 2>/dev/null
	wait "$writer" 2>/dev/null
	local status=$?
	writer=
	return $status
}
at_exit end_writer KILL

acknowledged() {
	"$HELPERS/record-check" -b "$ACK"
}

has_written() {
	[ -s "$ACK" ] && [ "$(acknowledged)" -gt 0 ]
}

is_held_extended() {
	[ "$(real_size "$1")" -gt $(($(acknowledged) + 65536)) ]
}

never_extended() { # a third of a second long
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		! is_held_extended "$1" || return 1
		sleep 0.03
	done
}

check_held_extended() {
	if library_left_out; then
		skip "$1" "the library is left out"
		return
	fi
	check "$1" wait_until 3 is_held_extended "$2"
}

has_more_than() {
	[ "$(acknowledged)" -gt "$1" ]
}

goes_on() {
	wait_until 2 has_more_than "$(acknowledged)"
}

# `remember`, then a neighbour makes a copy, then `sees_all COPY`: the copy holds all that was
# acknowledged when it began, and is whole.
remember() {
	cp "$ACK" "$ACK.before"
}

sees_all() {
	"$HELPERS/record-check" -i -s "$ACK.before" "$ACK" "$1"
}
