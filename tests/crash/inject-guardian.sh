#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every system call that the guardian makes fails, once, in every way that its man page lists (strace
# has them fail): the program under test (job.c) is told what it would be told without the library,
# its files are the same, and no guardian is left behind.
#
#	inject-guardian.sh [NAME...]	only these system calls (tests/crash/inject-guardian.txt)
#
# PREALLOCATE_TEST_FULL=1: all; otherwise a share. PREALLOCATE_TEST_FILESYSTEMS: on these (ext4).
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
need strace timeout
strace -qqq -f /bin/true 2>/dev/null || skip_all "strace can't trace here"

. "$(dirname "$0")/../lib/inject.sh" "$(dirname "$0")/inject-guardian.txt"

TRACE=$SCRATCH/trace
INJECT=$PREALLOCATE_BUILDDIR/tests/lib/.libs/inject.so

# The library starts a script by the guardian's name, that starts strace, that starts the guardian.
SCRIPT=$GUARDIAN
GUARDIAN=$TREE/guardian
mv "$SCRIPT" "$GUARDIAN"
guardian_by() { # strace-options...
	printf '#!/bin/sh\nexec %q -qqq -f -o %q.$$ %s -- %q\n' "$(command -v strace)" "$TRACE" \
		"$*" "$GUARDIAN" >"$SCRIPT"
	chmod +x "$SCRIPT"
	rm -f "$TRACE".*
}

# A call that strace doesn't know (6.1 of Debian 12) is a number.
traced_calls() {
	sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$TRACE".* | sed 's/^syscall_0x1c3$/cachestat/'
}

# The guardian with a call that fails: NAME ERROR OCCURRENCE
failing_guardian() {
	if strace -qqq -e "trace=$1" /bin/true 2>/dev/null; then
		guardian_by --seccomp-bpf -e "trace=$1" -e "inject=$1:error=$2:when=$3"
		return
	fi
	# By the preload of inject.sh: all of a program's calls are its own, but they go by libc.
	printf '#!/bin/sh\nLD_PRELOAD=%q INJECT_LIBRARY= INJECT_STATE=%q %s exec %q\n' "$INJECT" \
		"$SCRATCH/state" "INJECT_CALL=syscall:$1 INJECT_ERRNO=$2 INJECT_AT=$3" \
		"$GUARDIAN" >"$SCRIPT"
	truncate -s 0 "$SCRATCH/state"
	truncate -s 8192 "$SCRATCH/state"
	: >"$TRACE.none"
}

# What strace makes fail isn't made. Some of it can't fail.
is_beyond() {
	grep -ahE 'INJECTED' "$TRACE".* | grep -aqE 'F_SETLEASE, F_UNLCK|F_SETSIG, 0|F_OWNER_PID, pid=0'
}

days=0
turn=0
call_fails() { # NAME COUNT
	local name=$1 occurrence error wrong failures=0

	for occurrence in $(occurrences "$2"); do
		turn=$((turn + 1))
		# shellcheck disable=SC2046 # words
		for error in $(chosen_errors "$turn" $(errors_of "$name")); do
			failing_guardian "$name" "$error" "$occurrence"
			managed_day
			days=$((days + 1))
			wrong=$(differs)
			[ -n "$wrong" ] && ! is_beyond || continue
			failures=$((failures + 1))
			[ "$failures" -gt "$SHOWN" ] ||
				printf '%s\n' "$name, $error, occurrence $occurrence:" "$wrong" \
					"$(grep -ah INJECTED "$TRACE".* | cut -c1-150)"
		done
	done
	[ "$failures" -eq 0 ]
}

only=("$@")
on_filesystem() {
	local type=$1 name count

	check "$type: without the library, twice the same" plain_day || return
	guardian_by
	check "$type: with it, and nothing fails" undisturbed_day "$type" || return
	# Of one guardian: the program's own, not its child's.
	traced_calls >"$SCRATCH/calls"
	sort "$SCRATCH/calls" | uniq -c | awk '{ print $2, $1 }' >"$SCRATCH/counts.$type"
	# shellcheck disable=SC2046 # names
	check "$type: every system call that it makes is known" \
		known $(cut -d' ' -f1 "$SCRATCH/counts.$type")
	while read -r name count <&9; do
		if wanted "$name" "${only[@]}" && [ -n "$(errors_of "$name")" ]; then
			check "$type: $name fails, of $count" call_fails "$name" "$count"
		fi
	done 9<"$SCRATCH/counts.$type"
	diag "$days days"
}

for_each_filesystem on_filesystem
done_testing
