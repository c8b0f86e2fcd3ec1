#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every call that the library makes fails, once, in every way that its man page lists: the program
# under test (job.c) is told what it would be told without the library, its files are the same, and
# no guardian is left behind.
#
#	inject.sh [NAME...]	only these calls (tests/crash/inject.txt)
#
# PREALLOCATE_TEST_FULL=1: every error of every call, at each of its occurrences up to the twelfth, at
# later ones, and from one on for good; otherwise a share of them.
# PREALLOCATE_TEST_FILESYSTEMS: on these (ext4).
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
need nm timeout

HERE=$(cd "$(dirname "$0")" && pwd)
TABLE=$HERE/inject.txt
JOB=$PREALLOCATE_BUILDDIR/tests/crash/job
INJECT=$PREALLOCATE_BUILDDIR/tests/lib/.libs/inject.so
FULL=${PREALLOCATE_TEST_FULL:-}
ALIGN=65536
OPTIONS="prealloc-size=1M prealloc-align=$ALIGN idle=10s"
RULES="*.dat mode=zero $OPTIONS; *.keep mode=keep $OPTIONS"

# Whose guardian is running can be told by its program: that can't be opened for writing then.
TREE=$SCRATCH/tree
mkdir -p "$TREE/.libs"
cp "$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so" "$TREE/.libs/" &&
	cp "$PREALLOCATE_BUILDDIR/preallocate-guardian" "$TREE/" || skip_all "the library is not built"
LIBRARY=$TREE/.libs/libpreallocate.so
GUARDIAN=$TREE/preallocate-guardian
STATE=$SCRATCH/state

# Where the library makes the program's own call through its table: the program's errors, not ours.
programs_own='^(files_lseek|lseek|lseek64|files_flags|any_fcntl|read_clipped)$'

symbols=$(nm -S "$LIBRARY") && [ -n "$symbols" ] || skip_all "the library has no symbols"
export INJECT_LIBRARY=$LIBRARY INJECT_STATE=$STATE
INJECT_SYS=$(awk '$4 == "sys" { print $1 }' <<<"$symbols")
INJECT_PROGRAMS=$(awk -v own="$programs_own" '$4 ~ own { print $1 "+" $2 }' <<<"$symbols" |
	sort -u | paste -sd,)
members=$(sed -n '/^struct sys {/,/^}/s/^\t[^(]*(\*\([a-z_]*\))(.*/\1/p' "$HERE/../../src/base/sys.h" |
	paste -sd,)
export INJECT_SYS INJECT_PROGRAMS INJECT_MEMBERS=$members

no_guardian() {
	{ : >>"$GUARDIAN"; } 2>/dev/null
}

# day DIRECTORY ENVIRONMENT...: the job's, in an empty one; what it says goes to DIRECTORY.out
day() {
	local where=$1
	shift
	rm -rf "$where"
	mkdir "$where"
	(
		cd "$where" || exit
		timeout -k 5 60 env "$@" "$JOB"
		echo "exit status $?"
	) </dev/null 9<&- >"$where.out" 2>"$where.err"
	# What the library and its guardian have to say about it, they may.
	grep -vE '^preallocate(-guardian)?: ' "$where.err" >>"$where.out" || :
}

managed_day() { # DIRECTORY ENVIRONMENT...
	local where=$1
	shift
	truncate -s 0 "$STATE"
	truncate -s 8192 "$STATE"
	day "$where" "LD_PRELOAD=$LIBRARY $INJECT" "PREALLOCATE_RULES=$RULES" "$@"
}

counts() {
	LD_PRELOAD=$INJECT INJECT_LIST=1 /bin/true
}

# What is wrong with the day in $MNT/managed; nothing: all as it should be.
differs() { # [BLOCKS]
	diff -a "$MNT/plain.out" "$MNT/managed.out" | head -n 8
	"$JOB" look "$MNT/plain" "$MNT/managed" "${1:-$((ALIGN / 512))}"
	wait_until 2 no_guardian || echo "a guardian is left"
}

# Errors of this call by the table.
errors_of() {
	awk -v call="$1" '$1 == call && $2 != "-" { $1 = ""; print }' "$TABLE"
}

# occurrences COUNT: which of them fail
occurrences() {
	local count=$1 n

	if [ -n "$FULL" ]; then
		for ((n = 1; n <= count && n <= 12; n++)); do
			echo "$n"
		done
		for ((n = 17; n < count; n += n / 3)); do
			echo "$n"
		done
		[ "$count" -le 12 ] || echo "$count"
	else
		printf '%s\n' 1 $((count / 3)) $((count * 2 / 3)) |
			awk -v count="$count" '$1 > 0 && $1 <= count' | sort -nu
	fi
	# A program may also forbid itself a call, from the start or in the middle of its life (seccomp).
	[ -z "$FULL" ] || echo 1-
	[ "$count" -eq 1 ] || echo "$(((count + 1) / 2))-"
}

# The share: at each occurrence another error.
chosen_errors() { # OCCURRENCE-NUMBER ERROR...
	local turn=$1
	shift
	if [ -n "$FULL" ]; then
		printf '%s\n' "$@"
	else
		local errors=("$@")
		echo "${errors[turn % $#]}"
	fi
}

days=0
turn=0
call_fails() { # NAME COUNT
	local name=$1 occurrence error wrong failures=0

	for occurrence in $(occurrences "$2"); do
		turn=$((turn + 1))
		# shellcheck disable=SC2046 # words
		for error in $(chosen_errors "$turn" $(errors_of "$name")); do
			# Whoever is interrupted each time tries for ever.
			[ "$error${occurrence##*[0-9]}" != EINTR- ] || continue
			managed_day "$MNT/managed" "INJECT_CALL=$name" "INJECT_ERRNO=$error" \
				"INJECT_AT=$occurrence"
			days=$((days + 1))
			# Who can't even ask whether a child lives can't know whose the blocks are.
			wrong=$(differs $([[ $occurrence != *- ]] || echo 1000000))
			[ -n "$wrong" ] || continue
			failures=$((failures + 1))
			[ "$failures" -gt "${PREALLOCATE_TEST_SHOW:-5}" ] ||
				printf '%s\n' "$name, $error, occurrence $occurrence:" "$wrong"
		done
	done
	[ "$failures" -eq 0 ]
}

plain_day() {
	day "$MNT/plain"
	grep -qx 'exit status 7' "$MNT/plain.out" || {
		cat "$MNT/plain.out"
		return 1
	}
	cp "$MNT/plain.out" "$SCRATCH/plain.first"
	cp -a "$MNT/plain" "$SCRATCH/plain.files"
	day "$MNT/plain"
	diff "$SCRATCH/plain.first" "$MNT/plain.out" &&
		"$JOB" look "$SCRATCH/plain.files" "$MNT/plain" 1000000
}

undisturbed_day() {
	local wrong extended=(TRANSCRIPT_EXTENDED=1)

	# On btrfs little is allocated ahead.
	[ "$1" != btrfs ] || extended=()
	managed_day "$MNT/managed" "${extended[@]}"
	wrong=$(differs)
	echo "$wrong"
	[ -z "$wrong" ]
}

known() { # NAME...: are in the table
	local name unknown=

	for name; do
		grep -q "^$name " "$TABLE" || unknown+=" $name"
	done
	[ -z "$unknown" ] || {
		echo "not in $TABLE:$unknown"
		return 1
	}
}

# Nor may a line of the table be left over that nothing can make fail.
imports() {
	local name
	# shellcheck disable=SC2046 # names
	known $(nm -D --undefined-only "$LIBRARY" | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' |
		grep -vxE 'environ|__environ|__libc_single_threaded|(mem|str)[a-z]*') || return
	for name in $(awk '/^#/ { next } $2 != "-" { sub(/:.*/, "", $1); print $1 }' "$TABLE" | sort -u); do
		nm "$INJECT" | grep -qE " [tT] (own_)?$name$" || {
			echo "$INJECT makes no $name fail"
			return 1
		}
	done
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
wanted() {
	local name
	[ ${#only[@]} -ne 0 ] || return 0
	for name in "${only[@]}"; do
		[ "$name" != "$1" ] || return 0
	done
	return 1
}

on_filesystem() {
	local type=$1 name count

	check "$type: without the library, twice the same" plain_day || return
	check "$type: with it, and nothing fails" undisturbed_day "$type" || return
	counts | grep -v '^fired' | sort >"$SCRATCH/counts.$type"
	# shellcheck disable=SC2046 # names
	check "$type: every call that it makes is known" known $(cut -d' ' -f1 "$SCRATCH/counts.$type")
	while read -r name count <&9; do
		if wanted "$name" && [ -n "$(errors_of "$name")" ]; then
			check "$type: $name fails, of $count" call_fails "$name" "$count"
		fi
	done 9<"$SCRATCH/counts.$type"
	diag "$days days"
}

check "every function that the library imports is known" imports
check "every member of the table sys is known" table_members
for_each_filesystem on_filesystem
done_testing
