#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2034 # what the sourced files use
# What a call costs more than without the library, by counts that no load of the machine changes:
# instructions, by callgrind, and system calls, by strace.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
need valgrind callgrind_annotate strace
strace -o /dev/null true 2>/dev/null || skip_all "strace can't trace here"
COSTS=$PREALLOCATE_BUILDDIR/tests/preload/costs

# Sanitized, for coverage, or without optimization: no instructions to count.
is_optimized() {
	[ ! -e "$PREALLOCATE_BUILDDIR/config.status" ] && return
	grep -qE '^S\["CFLAGS"\]=".*-O[23s]' "$PREALLOCATE_BUILDDIR/config.status" &&
		grep -qx 'S\["SANITIZER_FLAGS"\]=""' "$PREALLOCATE_BUILDDIR/config.status" &&
		grep -qx 'S\["COVERAGE_FLAGS"\]=""' "$PREALLOCATE_BUILDDIR/config.status"
}
is_optimized || skip_all "the library is built without optimization"
[ "$(uname -m)" = x86_64 ] || skip_all "the bars are for x86-64"

# At most so many instructions and system calls more: work, instructions, system calls. 25 and 60 are what was
# promised; the others, which take a lock or the gate, are what they cost and a fifth.
bars="
null_pwrite 25 0
null_read 25 0
null_lseek 25 0
null_fstat 25 0
unmanaged_pwrite 25 0
unmanaged_write 25 0
unmanaged_pread 25 0
unmanaged_read 25 0
unmanaged_lseek 25 0
unmanaged_fstat 25 0
unmanaged_fdatasync 25 0
high_pwrite 25 0
high_fstat 25 0
old_pread 60 0
old_read 300 0
old_lseek 260 0
old_tell 260 0
old_overwrite 60 0
old_write 460 0
old_fstat 60 0
auto_append_pwrite 175 0
auto_append_write 150 0
keep_append 480 0
keep_pread 60 0
keep_read 300 0
keep_lseek 260 0
keep_tell 260 0
keep_overwrite 60 0
keep_fstat 60 0
extended_append_pwrite 820 0
extended_append_write 800 1
extended_append_writev 870 1
extended_fdatasync 330 0
extended_overwrite 60 0
extended_pread 60 0
extended_fstat 60 0
extended_tell 320 0
extended_lseek 330 0
extended_write_inside 750 1
extended_read 410 1
appended_append 830 1
appended_pread 60 0
appended_fstat 60 0
"

run_options=(--prealloc-size 16M --idle 1h --rule '*.keep mode=keep' --rule '*.auto mode=auto')
export LD_BIND_NOW=1

# In a fresh directory: run plain|managed command...
run() {
	local how=$1 prefix=()
	shift

	[ "$how" = plain ] || set_prefix zero '*.zero'
	rm -rf "${SCRATCH:?}/$how"
	mkdir "$SCRATCH/$how"
	(cd "$SCRATCH/$how" && "${prefix[@]}" "$@") >"$SCRATCH/$how.said" 2>&1
}

count() { # plain|managed
	run "$1" valgrind -q --tool=callgrind --callgrind-out-file="$SCRATCH/$1.callgrind" "$COSTS" ||
		return
	# Twice where a part comes from a header: the larger one is the whole.
	callgrind_annotate --inclusive=yes --threshold=100 "$SCRATCH/$1.callgrind" | tr -d , |
		sed -nE 's/^ *([0-9]+) .*:cost_([a-z_]+)( .*)?$/\2 \1/p' |
		awk '$2 > most[$1] { most[$1] = $2 } END { for (work in most) print work, most[work] }' \
			>"$SCRATCH/$1.instructions"
	run "$1" strace -o "$SCRATCH/$1.strace" "$COSTS" || return
	awk '/^write\(-1/ {
			match($0, /"[a-z_]+"/)
			if (work)
				print work, calls
			work = work ? "" : substr($0, RSTART + 1, RLENGTH - 2)
			calls = 0
			next
		}
		{ calls++ }' "$SCRATCH/$1.strace" >"$SCRATCH/$1.calls"
}

value() { # FILE WORK
	sed -n "s/^$2 //p" "$SCRATCH/$1"
}

stays_within() { # WORK COUNT
	local more_calls more_instructions instructions calls

	read -r instructions calls < <(sed -n "s/^$1 //p" <<<"$bars")
	more_instructions=$((($(value managed.instructions "$1") - $(value plain.instructions "$1") +
		$2 / 2) / $2))
	more_calls=$((($(value managed.calls "$1") - $(value plain.calls "$1") + $2 / 2) / $2))
	printf '%s: %+d instructions (at most %+d), %+d system calls (at most %+d)\n' "$1" \
		$more_instructions "$instructions" $more_calls "$calls"
	[ $more_instructions -le "$instructions" ] && [ $more_calls -le "$calls" ]
}

check "counted without the library" count plain
check "counted with it" count managed
extended=$(cat "$SCRATCH/managed.said")
while read -r work times; do
	if [[ $work =~ ^(extended|appended)_ ]] && [ "$extended" != extended ]; then
		skip "$work" "nothing is extended on this filesystem"
		continue
	fi
	check "$work" stays_within "$work" "$times"
	diag "$(cat "$SCRATCH/.check")"
done < <("$COSTS" -l)
done_testing
