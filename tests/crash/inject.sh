#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every call that the library makes fails, once, in every way that its man page lists: the program
# under test (job.c) is told what it would be told without the library, its files are the same, and
# no guardian is left behind.
#
#	inject.sh [NAME...]	only these calls (tests/crash/inject.txt)
#
# PREALLOCATE_TEST_FULL=1: all; otherwise a share. PREALLOCATE_TEST_FILESYSTEMS: on these (ext4).
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
need nm timeout

HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/../lib/inject.sh" "$HERE/inject.txt"

INJECT=$PREALLOCATE_BUILDDIR/tests/lib/.libs/inject.so
STATE=$SCRATCH/state
export PRELOADS=" $INJECT"

# Where the library makes the program's own call through its table: the program's errors, not ours.
programs_own='^(files_lseek|lseek|lseek64|files_flags|any_fcntl|read_clipped)$'

symbols=$(nm -S "$LIBRARY")
[ -n "$symbols" ] || skip_all "the library has no symbols"
export INJECT_LIBRARY=$LIBRARY INJECT_STATE=$STATE
INJECT_SYS=$(awk '$4 == "sys" { print $1 }' <<<"$symbols")
INJECT_PROGRAMS=$(awk -v own="$programs_own" '$4 ~ own { print $1 "+" $2 }' <<<"$symbols" |
	sort -u | paste -sd,)
members=$(sed -n '/^struct sys {/,/^}/s/^\t[^(]*(\*\([a-z_]*\))(.*/\1/p' "$HERE/../../src/base/sys.h" |
	paste -sd,)
export INJECT_SYS INJECT_PROGRAMS INJECT_MEMBERS=$members

new_counts() {
	truncate -s 0 "$STATE"
	truncate -s 8192 "$STATE"
}

counts() {
	LD_PRELOAD=$INJECT INJECT_LIST=1 /bin/true
}

days=0
turn=0
call_fails() { # NAME COUNT
	local name=$1 count=$2 occurrence error wrong failures=0 for_good

	# A program may also forbid itself a call, from the start or in the middle of its life (seccomp).
	for_good="${FULL:+1-}"
	[ "$count" -eq 1 ] || for_good+=" $(((count + 1) / 2))-"
	for occurrence in $(occurrences "$count") $for_good; do
		turn=$((turn + 1))
		# shellcheck disable=SC2046 # words
		for error in $(chosen_errors "$turn" $(errors_of "$name")); do
			# Interrupted each time, one tries for ever; what is said to be closed for good, is.
			case $error${occurrence##*[0-9]} in
			EINTR- | EBADF-) continue ;;
			esac
			# Nothing may be recovered then: without rules, nothing is managed.
			export NO_CRASH=${occurrence##*[0-9]}
			case $name:$occurrence in
			calloc:* | malloc:* | reallocarray:* | strdup:* | vasprintf:*) NO_CRASH=1 ;;
			openat:1 | read:*) NO_CRASH=1 ;; # the configuration's
			esac
			new_counts
			managed_day "INJECT_CALL=$name" "INJECT_ERRNO=$error" "INJECT_AT=$occurrence"
			days=$((days + 1))
			# Who can't even ask whether a child lives can't know whose the blocks are.
			# shellcheck disable=SC2046 # nothing, or a number
			wrong=$(differs $([[ $occurrence != *- ]] || echo 1000000))
			[ -n "$wrong" ] || continue
			failures=$((failures + 1))
			[ "$failures" -gt "$SHOWN" ] ||
				printf '%s\n' "$name, $error, occurrence $occurrence:" "$wrong"
		done
	done
	[ "$failures" -eq 0 ]
}

# Nor may a line of the table be left over that nothing can make fail.
imports() {
	local name
	# shellcheck disable=SC2046 # names
	known $(nm -D --undefined-only "$LIBRARY" | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' |
		grep -vxE 'environ|__environ|__libc_single_threaded|(mem|str)[a-z]*') || return
	while read -r name; do
		nm "$INJECT" | grep -qE " [tT] (own_)?$name$" || {
			echo "$INJECT makes no $name fail"
			return 1
		}
	done < <(awk '/^#/ { next } $2 != "-" { sub(/:.*/, "", $1); print $1 }' "$TABLE" | sort -u)
}

table_members() {
	local name
	for name in ${members//,/ }; do
		grep -qE "^${name}[ :]" "$TABLE" || {
			echo "not in $TABLE: $name"
			return 1
		}
	done
}

only=("$@")
on_filesystem() {
	local type=$1 name count

	check "$type: without the library, twice the same" plain_day || return
	new_counts
	check "$type: with it, and nothing fails" undisturbed_day "$type" || return
	counts | grep -v '^fired' | sort >"$SCRATCH/counts.$type"
	# shellcheck disable=SC2046 # names
	check "$type: every call that it makes is known" known $(cut -d' ' -f1 "$SCRATCH/counts.$type")
	while read -r name count <&9; do
		if wanted "$name" "${only[@]}" && [ -n "$(errors_of "$name")" ]; then
			check "$type: $name fails, of $count" call_fails "$name" "$count"
		fi
	done 9<"$SCRATCH/counts.$type"
	diag "$days days"
}

check "every function that the library imports is known" imports
check "every member of the table sys is known" table_members
for_each_filesystem on_filesystem
done_testing
