#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2034 # run.sh's
# What the library has to say, in log and report, the program doesn't notice: no byte in a file of its
# own, no waiting, no signal; and what it is said to is no file that is managed.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/run.sh"
library_left_out && skip_all "the library is left out"

OUTSPOKEN=$HELPERS/outspoken
cd "$SCRATCH" || exit

# spoken ENVIRONMENT... -- WHAT ARGUMENTS...: with all files managed; fails as it fails, or when it hangs
spoken() {
	local environment=()

	while [ "$1" != -- ]; do
		environment+=("$1")
		shift
	done
	shift
	env "${environment[@]}" PREALLOCATE_RULES="* mode=zero" LD_PRELOAD="$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so" \
		timeout -s KILL "$(patience 10)" "$OUTSPOKEN" "$@"
}

# --- standard error that has become something else ---
plain "$OUTSPOKEN" second plain.db plain.log
for said in PREALLOCATE_REPORT=stderr PREALLOCATE_LOG=debug; do
	rm -f second.db second.log
	check "$said: a file as descriptor 2" spoken $said -- second second.db second.log
	check "$said: has the program's bytes alone" cmp plain.db second.db
	check "$said: and so has the other" cmp plain.log second.log
done
spoken PREALLOCATE_REPORT=stderr -- many many.log 1 2>said
is "standard error as it was is told" "$(grep -c many.log said)" 1

# --- a log file that a rule matches ---
check "a warning to a log file that a rule matches" spoken PREALLOCATE_LOG_FILE="$SCRATCH/log" -- limited limited.out
is "the warning is there" "$(grep -c 'no guardian' log)" 1
is "the log has nothing but its lines" "$(tr -d '\001-\377' <log | wc -c)" 0
check "nothing is allocated ahead of it" test "$(du -k log | cut -f1)" -le 8
check "a report to a file that a rule matches" spoken PREALLOCATE_REPORT="$SCRATCH/report" -- many many.log 3
is "three lines" "$(grep -c many.log report)" 3
check "nothing is allocated ahead of it" test "$(du -k report | cut -f1)" -le 8

# --- who doesn't read ---
mkfifo fifo
for said in PREALLOCATE_REPORT="$SCRATCH/fifo" PREALLOCATE_LOG_FILE="$SCRATCH/fifo"; do
	check "${said%%=*}: a FIFO that nobody opens" spoken "$said" PREALLOCATE_LOG=debug -- many many.log 3 2>/dev/null
done
exec 7<>fifo
for said in PREALLOCATE_REPORT="$SCRATCH/fifo" PREALLOCATE_LOG_FILE="$SCRATCH/fifo"; do
	check "${said%%=*}: a FIFO that nobody reads" spoken "$said" PREALLOCATE_LOG=debug -- many many.log 2000
done
full_stderr() {
	spoken PREALLOCATE_REPORT=stderr -- many many.log 10 2>fifo
}
check "standard error, a full pipe" full_stderr
exec 7<&-
broken_stderr() {
	spoken PREALLOCATE_REPORT=stderr -- many many.log 10 2> >(exec true)
}
check "standard error, a pipe without a reader" broken_stderr
too_large() {
	truncate -s 16k large
	(ulimit -f 16; spoken PREALLOCATE_REPORT="$SCRATCH/large" -- many small.log 2)
}
check "a report that is as large as the program's files may be" too_large
is "stays as it is" "$(stat -c %s large)" 16384

# --- where nothing can be written ---
spoken PREALLOCATE_REPORT=/nowhere/report -- many many.log 2 2>said
is "a report that can't be written is told of once" \
	"$(grep -c '/nowhere/report can.t be written: No such file' said)" 1
done_testing
