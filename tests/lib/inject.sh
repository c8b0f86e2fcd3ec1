# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# A day of tests/crash/job.c while calls fail: . inject.sh TABLE, after run.sh and filesystems.sh.
# The table's lines: NAME ERRNO... or NAME - why it isn't made to fail.
#
#	day DIRECTORY ENVIRONMENT...	the job's in a new directory; what it says: DIRECTORY.out
#	plain_day		without the library, in $MNT/plain, twice the same
#	managed_day ENVIRONMENT...	with the library, and $PRELOADS, in $MNT/managed
#				(NO_CRASH=1: without files left extended)
#	differs [BLOCKS]	says what is wrong with the managed day
#	known NAME...		all are in the table
#	errors_of NAME		by the table
#	occurrences COUNT	which occurrences of a call fail
#	chosen_errors TURN ERROR...	which errors at one of them
#
# $LIBRARY and $GUARDIAN are copies of this test alone.
# PREALLOCATE_TEST_FULL=1: all errors at each of the first twelve occurrences and at later ones;
# otherwise a share. PREALLOCATE_TEST_SHOW: how many failures are shown of a call.

JOB=$PREALLOCATE_BUILDDIR/tests/crash/job
FULL=${PREALLOCATE_TEST_FULL:-}
SHOWN=${PREALLOCATE_TEST_SHOW:-5}
ALIGN=65536
OPTIONS="prealloc-size=1M prealloc-align=$ALIGN idle=10s"
RULES="*.dat mode=zero $OPTIONS; *.keep mode=keep $OPTIONS"
TABLE=$1
NO_CRASH=

# Whose guardian is running can be told by its program: that can't be opened for writing then.
TREE=$SCRATCH/tree
LIBRARY=$TREE/.libs/libpreallocate.so
GUARDIAN=$TREE/preallocate-guardian
mkdir -p "$TREE/.libs"
cp "$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so" "$LIBRARY" || exit
cp "$PREALLOCATE_BUILDDIR/preallocate-guardian" "$GUARDIAN" || exit

# Others, whose calls don't fail: what they leave extended is for the library to recover. tmpfs has no
# marks.
CRASHED=$SCRATCH/crashed
mkdir -p "$CRASHED/.libs"
cp "$LIBRARY" "$CRASHED/.libs/" || exit
cp "$GUARDIAN" "$CRASHED/" || exit
crash() { # PRELOAD...
	local file

	[ "$(stat -f -c %T .)" != tmpfs ] || return 0
	for file in crashed.dat torn.dat; do
		env "PREALLOCATE_RULES=$RULES" "JOB_GUARDIAN=$CRASHED/preallocate-guardian" \
			"$@" "$JOB" crash "$file" || :
	done >/dev/null 2>&1
}

no_guardian() {
	{ : >>"$GUARDIAN"; } 2>/dev/null
}

day() {
	local where=$1 crashed=()
	shift
	rm -rf "$where"
	mkdir "$where"
	[ $# -eq 0 ] || [ "$NO_CRASH" ] || crashed=("LD_PRELOAD=$CRASHED/.libs/libpreallocate.so")
	(
		cd "$where" || exit
		crash "${crashed[@]}"
		timeout -k 5 "$(patience 60)" env "$@" "$JOB"
		echo "exit status $?"
	) </dev/null 9<&- >"$where.out" 2>"$where.err"
	# What the library, its guardian and that one's dynamic linker have to say about it, they may.
	grep -vE "^(preallocate(-guardian)?|$TREE/[a-z-]*): |^cannot allocate TLS data" \
		"$where.err" >>"$where.out" || :
}

managed_day() {
	day "$MNT/managed" "LD_PRELOAD=$LIBRARY${PRELOADS:-}" "PREALLOCATE_RULES=$RULES" "$@"
}

plain_day() {
	day "$MNT/plain"
	grep -qx 'exit status 7' "$MNT/plain.out" || {
		cat "$MNT/plain.out"
		return 1
	}
	cp "$MNT/plain.out" "$SCRATCH/plain.first"
	rm -rf "$SCRATCH/plain.files"
	cp -a "$MNT/plain" "$SCRATCH/plain.files"
	day "$MNT/plain"
	diff "$SCRATCH/plain.first" "$MNT/plain.out" &&
		"$JOB" look "$SCRATCH/plain.files" "$MNT/plain" 1000000
}

# shellcheck disable=SC2120 # by some
differs() {
	diff -a "$MNT/plain.out" "$MNT/managed.out" | head -n 8
	"$JOB" look "$MNT/plain" "$MNT/managed" "${1:-$((ALIGN / 512))}"
	wait_until 2 no_guardian || echo "a guardian is left"
}

# On btrfs little is allocated ahead.
undisturbed_day() { # TYPE
	local wrong extended=(TRANSCRIPT_EXTENDED=1)

	[ "$1" != btrfs ] || extended=()
	managed_day "${extended[@]}"
	wrong=$(differs)
	echo "$wrong"
	[ -z "$wrong" ]
}

errors_of() {
	awk -v call="$1" '$1 == call && $2 != "-" { $1 = ""; print }' "$TABLE"
}

known() {
	local name unknown=

	for name; do
		grep -q "^$name " "$TABLE" || unknown+=" $name"
	done
	[ -z "$unknown" ] || {
		echo "not in $TABLE:$unknown"
		return 1
	}
}

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
}

# The share: at each occurrence another error.
chosen_errors() {
	local turn=$1
	shift
	if [ -n "$FULL" ]; then
		printf '%s\n' "$@"
	else
		local errors=("$@")
		echo "${errors[turn % $#]}"
	fi
}

# wanted NAME [ONLY...]
wanted() {
	local name=$1 only
	shift
	[ $# -ne 0 ] || return 0
	for only; do
		[ "$only" != "$name" ] || return 0
	done
	return 1
}
