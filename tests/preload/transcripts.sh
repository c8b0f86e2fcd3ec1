#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a program is told, and the files that it leaves, are the same with and without the library.
#
#	transcripts.sh [PROGRAM...]	only these
#
# PREALLOCATE_TEST_FILESYSTEMS: on fresh ones of these types instead of in the scratch directory.
# PREALLOCATE_TEST_WITHOUT: a program to leave out.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

PROGRAMS=$PREALLOCATE_BUILDDIR/tests/preload
LIBRARY=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so
SMALL='prealloc-size=64k prealloc-align=4k idle=10s'

# name: the options of its rule
declare -A rules=(
	[zero]='mode=zero idle=10s'
	[zero-small]="mode=zero $SMALL"
	[write-small]="mode=write $SMALL"
	[keep]="mode=keep"
	[keep-small]="mode=keep $SMALL"
	[off]='mode=off'
	[auto]="mode=auto $SMALL"
)

# What the programs need beside their name: one line, one run.
programs=(
	open close dup
	write append read seek stat truncate space sparse mapping copy metadata lock
	stream async limit passage ticks process thread every pointers
	vectors reused stdin roots inherited plugins
	"uring syscall" "uring append" "uring bare"
	forks
	handles
	stdio
	cancel
	storm
	"ending return" "ending exit" "ending _exit" "ending _Exit" "ending quick_exit"
	"ending at_quick_exit" "ending atexit" "ending pthread_exit" "ending thread_exit"
	"ending exec" "ending stream" "ending close-all" "ending abort" "ending kill"
	"random 1 4000" "random 2 4000" "random 3 4000"
)
for how in own append fixed polled; do
	# Built where liburing is installed.
	[ ! -x "$PROGRAMS/liburing" ] || programs+=("liburing $how" "liburing-plugin $how")
done
all=all
[ $# -eq 0 ] || { programs=("$@"); all=; }

# A run takes a second; one that hangs is a finding, not a reason to wait for hours.
LIMIT=$(patience 60)

# run VARIANT PROGRAM arguments...: in $MNT/VARIANT, its transcript in $SCRATCH/VARIANT.out
run() {
	local variant=$1 program=$2 settings=()
	shift 2

	if [ "$variant" != plain ] && ! library_left_out; then
		settings=("LD_PRELOAD=$LIBRARY"
			"PREALLOCATE_RULES=*.dat ${rules[$variant]}; temp-* ${rules[$variant]}")
	fi
	# Warned of on purpose: inside of another root there is no guardian; bytes that nobody saw come.
	case $program in
	roots | plugins) settings+=(PREALLOCATE_LOG=error) ;;
	esac
	# On btrfs only what a file has earned is allocated ahead, piece by piece: often nothing.
	case $variant:$(stat -f -c %T "$MNT") in
	zero*:btrfs) ;;
	zero*) library_left_out || settings+=(TRANSCRIPT_EXTENDED=1) ;;
	auto:ext* | auto:xfs) library_left_out || settings+=(TRANSCRIPT_EXTENDED_BY_SYNCS=1) ;;
	esac
	rm -rf "${MNT:?}/$variant"
	mkdir "$MNT/$variant"
	chmod 0777 "$MNT/$variant"
	# Through a pipe: limits on files are none on what they say.
	(
		cd "$MNT/$variant" || exit
		timeout "$LIMIT" "${as[@]}" env -u LD_PRELOAD "${settings[@]}" "$PROGRAMS/$program" "$@" \
			2>"$SCRATCH/$variant.err"
		printf 'exit status %d\n' $?
	) </dev/null 2>/dev/null | cat >"$SCRATCH/$variant.out"
	cat "$SCRATCH/$variant.err" >>"$SCRATCH/$variant.out"
}

# Files of numbered sections age in the order of their names; others may share a clock tick.
ages() {
	modification_order "$MNT/$1" | grep '^[0-8]'
}

same() { # VARIANT
	diff -a "$SCRATCH/plain.out" "$SCRATCH/$1.out" &&
		compare_trees "$MNT/plain" "$MNT/$1" && diff <(ages plain) <(ages "$1")
}

# And was run, and ended neither as a test that can't go on, nor by a segmentation fault.
says_something() {
	grep -qx 'exit status [0-9]*' "$SCRATCH/plain.out" &&
		! grep -qxE 'exit status (98|99|124|126|127|139)' "$SCRATCH/plain.out"
}

transcript() { # WHERE PROGRAM arguments...
	local where=$1 variant
	shift

	if [ "$1" = "${PREALLOCATE_TEST_WITHOUT:-}" ]; then
		skip "$where$*" "left out by PREALLOCATE_TEST_WITHOUT"
		return
	fi
	run plain "$@"
	if head -n 1 "$SCRATCH/plain.out" | grep -q '^SKIP '; then
		skip "$where$*" "$(head -n 1 "$SCRATCH/plain.out" | cut -c6-)"
		return
	fi
	check "$where$*: without the library" says_something || tail -n 5 "$SCRATCH/plain.out"
	for variant in zero-small zero keep-small keep auto off write-small; do
		# What is written ahead shows where the program allocates behind it, or ends in zeroes below a limit.
		case "$variant $1" in
		"write-small space" | "write-small limit") ;;
		write-small*) continue ;;
		esac
		run "$variant" "$@"
		check "$where$*: $variant" same "$variant"
	done
}

# Who has no CAP_FSETID loses set-user-ID at every cut.
as_nobody() { # WHERE PROGRAM
	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	if [ "$(id -u)" -eq 0 ] && chmod 0755 "$SCRATCH" &&
		(cd "$MNT" && "${as[@]}" test -x "$PROGRAMS/$2" -a -r "$LIBRARY") 2>/dev/null; then
		transcript "$1as nobody: " "$2"
	else
		skip "$1as nobody: $2" "nobody can't reach the programs, or nobody is what we are"
	fi
	as=()
}

as=()

transcripts() { # WHERE
	local line

	for line in "${programs[@]}"; do
		# shellcheck disable=SC2086 # a program and its arguments
		transcript "$1" $line
	done
	[ "$#" -lt 2 ] || as_nobody "$1" metadata
	rm -rf "${MNT:?}"/*/
}

on_filesystem() {
	transcripts "$1: " $all
}

if [ -n "${PREALLOCATE_TEST_FILESYSTEMS:-}" ]; then
	for_each_filesystem on_filesystem
else
	MNT=$SCRATCH/files
	mkdir "$MNT"
	transcripts '' $all
fi
done_testing
