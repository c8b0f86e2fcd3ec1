#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# Hostile surroundings: what refuses the library its guardian, its calls or its memory isn't noticed
# by the program, and costs it no byte: the same transcript, the same files, at most one line on
# stderr, and no process left behind.
#
# PREALLOCATE_TEST_FULL=1: every call that denier knows, every guardian that doesn't answer.
# PREALLOCATE_TEST_ROUNDS: how often a program scribbles over its memory, in hundreds (1).

# In a process namespace of its own every guardian that is seen belongs to this test.
[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || ! unshare --pid --fork --mount-proc true 2>/dev/null ||
	PREALLOCATE_TEST_NAMESPACE=1 exec unshare --pid --fork --mount-proc --kill-child bash "$0"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/writers.sh"

[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || skip_all "a process namespace needs root"
library_left_out && skip_all "the library is left out"

unset PREALLOCATE_LOG PREALLOCATE_LOG_FILE
FULL=${PREALLOCATE_TEST_FULL:-}
LIBRARY=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so
GUARDIAN=$PREALLOCATE_BUILDDIR/preallocate-guardian
RULES='*.dat mode=zero prealloc-size=64k prealloc-align=4k idle=10s'
LIMIT=$(patience 60)

# Elsewhere than below /tmp, which may be a tmpfs: there a file that is only written to isn't extended.
MNT=$(mktemp -d "${PREALLOCATE_TEST_DIRECTORY:-/var/tmp}/preallocate-hostile.XXXXXX") || exit 99
at_exit rm -rf "$MNT"
chmod 0755 "$MNT" "$SCRATCH"

library=$LIBRARY
rules=$RULES
how=
settings=()

# In $MNT/plain, and in $MNT/managed with the library. The prefix is run before it is preloaded.
run_subject() { # VARIANT prefix...
	local variant=$1 preload=()
	shift

	[ "$variant" = plain ] ||
		preload=("LD_PRELOAD=$library" "PREALLOCATE_RULES=$rules"
			"PREALLOCATE_REPORT=$SCRATCH/report" "${settings[@]}")
	rm -rf "${MNT:?}/$variant" "$SCRATCH/report"
	# Whoever the program is, it may say so there.
	chmod a+x "$SCRATCH"
	: >"$SCRATCH/report"
	chmod a+w "$SCRATCH/report"
	mkdir "$MNT/$variant"
	chmod 0777 "$MNT/$variant"
	(
		cd "$MNT/$variant" || exit
		# shellcheck disable=SC2086 # words
		timeout -s KILL "$LIMIT" "$@" env -u LD_PRELOAD "${preload[@]}" \
			"${subject[@]}" $how 2>"$SCRATCH/$variant.err"
		printf 'exit status %d\n' $?
	) </dev/null >"$SCRATCH/$variant.out" 2>/dev/null
}
subject=("$HELPERS/subject")

no_guardian() {
	! grep -lqs '^preallocate-gua' /proc/[0-9]*/comm
}

# valgrind's own remarks on calls that it doesn't know don't count.
warns_once() {
	sed -i '/^--[0-9]*-- /d' "$SCRATCH/managed.err"
	[ "$(wc -l <"$SCRATCH/managed.err")" -le $(($(wc -l <"$SCRATCH/plain.err") + 1)) ] ||
		{ cat "$SCRATCH/managed.err"; return 1; }
}

same_result() {
	diff -a "$SCRATCH/plain.out" "$SCRATCH/managed.out" &&
		compare_trees "$MNT/plain" "$MNT/managed" && warns_once && wait_until 5 no_guardian
}

unnoticed() { # DESCRIPTION prefix...
	local description=$1
	shift

	run_subject plain "$@"
	run_subject managed "$@"
	check "$description" same_result
}

was_extended() {
	grep -q 'mode zero' "$SCRATCH/report"
}

says() {
	grep -q -- "$1" "$SCRATCH/managed.err" || { cat "$SCRATCH/managed.err"; return 1; }
}

# --- nothing is refused: what follows would show nothing if this weren't extended ---

unnoticed "nothing refused" env
if [ "$(stat -f -c %T "$MNT")" != btrfs ]; then
	check "nothing refused: extended" was_extended
fi
is "nothing refused: nothing said" "$(cat "$SCRATCH/managed.err")" ""

# --- system calls, refused by a filter that was there before the program ---

named='setlease getlease setsig fsetxattr fgetxattr fremovexattr fallocate zero-range fiemap cachestat
	pidfd_open close_range memfd_create socketpair sendmsg recvmsg clone execve dup3 futex lseek
	signalfd4 rt_sigprocmask set_robust_list getsockopt gettid utimensat prlimit64 ftruncate poll'
# What neither a program nor its loader starts without.
vital='|openat|open|mprotect|newfstatat|fstat|'

if ! "$HELPERS/denier" EPERM kill -- "$(type -P true)" 2>/dev/null; then
	skip "system calls that are refused" "no seccomp here"
else
	[ -z "$FULL" ] || named=$("$HELPERS/denier" --list)
	for call in $named; do
		case $vital in *"|$call|"*) continue ;; esac
		for error in EPERM ENOSYS; do
			settings=()
			subject=("$HELPERS/denier" "$error" "$call" -- "$HELPERS/subject")
			run_subject plain env
			run_subject managed env
			check "$call: $error" same_result
		done
	done
	subject=("$HELPERS/subject")
fi

# --- no /proc, or an empty one ---

if unshare -m true 2>/dev/null; then
	unnoticed "no /proc" unshare -m bash -c 'umount -l /proc; exec "$@"' proc
	unnoticed "an empty /proc" unshare -m bash -c 'mount -t tmpfs none /proc; exec "$@"' proc
else
	skip "no /proc" "no mount namespace"
fi

# --- guardians that can't be started, or aren't any ---

mkdir "$SCRATCH/tree" "$SCRATCH/tree/lib" "$SCRATCH/tree/libexec"
guardian=$SCRATCH/tree/libexec/preallocate-guardian
library=$SCRATCH/tree/lib/libpreallocate.so
cp "$LIBRARY" "$library"

guarded_by() { # DESCRIPTION WHAT-IS-SAID SCRIPT
	rm -f "$guardian"
	[ -z "$3" ] || printf '%s\n' "$3" >"$guardian"
	chmod 0755 "$guardian" 2>/dev/null
	unnoticed "guardian: $1" env
	check "guardian: $1: said" says "$2"
}

if strings "$LIBRARY" 2>/dev/null | grep -x '/.*/preallocate-guardian' | xargs -r ls >/dev/null 2>&1; then
	skip "guardians" "one is installed"
else
	guarded_by "missing" 'no guardian (.*No such file.*mode=keep' ''
	guarded_by "garbage" 'Exec format error' 'garbage'
	guarded_by "gone at once" 'it is no guardian' '#!/bin/true'
	printf 'x' >"$guardian"
	chmod 0644 "$guardian"
	unnoticed "guardian: not executable" env
	check "guardian: not executable: said" says 'libexec/preallocate-guardian: Permission denied'
	# shellcheck disable=SC2016 # not ours
	guarded_by "stopped before it has said a word" 'Connection timed out' '#!/bin/bash
kill -STOP $$'
	if [ -n "$FULL" ]; then
		guarded_by "silent" 'timed out' '#!/bin/bash
read -t 30 <&3
read -t 30 <&3'
	fi
	rm -f "$guardian"
	cp "$GUARDIAN" "$guardian"
	unnoticed "guardian: a copy" env
fi
library=$LIBRARY

# --- limits ---

# shellcheck disable=SC2016 # for the shell that is started
within=(bash -c 'ulimit -v $1; shift; exec "$@"' limit)
# The least, in KiB, that the program without the library lives with.
least_address_space() {
	local too_little=0 enough=65536 half

	while [ $((enough - too_little)) -gt 32 ]; do
		half=$(((enough + too_little) / 2))
		run_subject plain "${within[@]}" "$half"
		if cmp -s "$SCRATCH/plain.out" "$SCRATCH/free.out"; then enough=$half; else too_little=$half; fi
	done
	echo "$enough"
}
run_subject plain env
cp "$SCRATCH/plain.out" "$SCRATCH/free.out"
least=$(least_address_space)
# libpreallocate(7) says that the library itself takes that much.
for more in 512 1024 2048 4096 8192 16384; do
	unnoticed "RLIMIT_AS: what the program needs, and $more KiB" "${within[@]}" $((least + more))
done
for fds in 5 6 7 8 9 10 12 16; do
	unnoticed "RLIMIT_NOFILE: $fds" prlimit "--nofile=$fds"
done
how=full
for fds in 14 40 1024; do
	unnoticed "a full table of $fds descriptors" prlimit "--nofile=$fds"
done
how=
if setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$HELPERS/subject" -a -r "$LIBRARY"; then
	for processes in 1 2 3; do
		unnoticed "RLIMIT_NPROC: $processes" setpriv --reuid=65534 --regid=65534 --clear-groups \
			prlimit "--nproc=$processes"
	done
else
	skip "RLIMIT_NPROC" "nobody can't reach the programs"
fi

# --- no memory: every allocation of the library's own fails, one by one, and all from one on ---

library="$LIBRARY $HELPERS/.libs/scarce.so"
scarce() { # CALL COUNT
	local from status=0

	for ((from = 1; from < 100; from++)); do
		rm -f "$SCRATCH/failures"
		settings=("SCARCE_CALL=$1" "SCARCE_FROM=$from" "SCARCE_COUNT=$2" SCARCE_WHOM=libpreallocate
			"SCARCE_LOG=$SCRATCH/failures")
		run_subject managed env
		[ -s "$SCRATCH/failures" ] || break
		same_result || { echo "number $from"; status=1; }
	done
	settings=()
	# mmap is called at least for the tables, the slots and the stack of the guardian's start.
	[ "$1" != mmap ] || [ "$from" -gt 3 ] || { echo "only $from"; return 1; }
	return "$status"
}
run_subject plain env
for call in malloc calloc realloc mmap pthread_create; do
	check "$call fails once" scarce "$call" 1
	check "$call fails from then on" scarce "$call" 1000
done
library=$LIBRARY

# --- valgrind: our interposed calls, and a guardian, below it ---

if command -v valgrind >/dev/null; then
	subject=(valgrind -q --trace-children=no "$HELPERS/subject")
	unnoticed "valgrind" env
	subject=("$HELPERS/subject")
else
	skip "valgrind" "not installed"
fi

# --- a set-user-ID program ignores all that the environment says ---

said_to_log() {
	rm -f "$SCRATCH/log/"*
	env PREALLOCATE_RULES='*.dat mode=nonsense' PREALLOCATE_LOG_FILE="$SCRATCH/log/of" \
		"$SCRATCH/subject" load "$LIBRARY" "$SCRATCH/log/a.dat" >/dev/null 2>"$SCRATCH/secure.err"
	[ -s "$SCRATCH/log/of" ]
}
cp "$HELPERS/subject" "$SCRATCH/subject"
mkdir -m 0777 "$SCRATCH/log"
check "AT_SECURE: without, wrong rules are logged" said_to_log
chown nobody "$SCRATCH/subject"
chmod u+s "$SCRATCH/subject"
check_not "AT_SECURE: nothing is taken from the environment" said_to_log
is "AT_SECURE: nothing is said" "$(cat "$SCRATCH/secure.err")" ""

# --- an environment of megabytes, and rules as long as the kernel lets them be ---

many=()
for ((i = 0; i < 5000; i++)); do
	many+=("PREALLOCATE_TEST_VARIABLE_$i=$i")
done
long=$(printf 'x%.0s' {1..100000})
for ((i = 0; i < 8; i++)); do
	many+=("PREALLOCATE_TEST_LONG_$i=$long")
done
settings=("${many[@]}")
unnoticed "an environment of a mebibyte" env
rules=$(printf '*.no%04d mode=off\n' {1..5000})$'\n'$RULES
unnoticed "a hundred thousand bytes of rules" env
rules="${long:0:60000} mode=zero"$'\n'$RULES
unnoticed "a rule of 60000 bytes" env
settings=()
rules=$RULES

# --- names ---

how=deep
unnoticed "a path longer than PATH_MAX" env
rules="/**/*.dat ${RULES#* }"
unnoticed "a path longer than PATH_MAX, rules with a slash" env
how=
rules=$RULES

names=($'new\nline.dat' $'\xff\xfe.dat' $'quote".dat' $'back\\slash.dat' $'\x1b[31m.dat'
	"$(printf 'long\xc3\xa9%.0s' {1..35})"$'.dat')
write_names() { # REPORT
	local name

	mkdir "$MNT/names" || return
	rm -f "$1" "$SCRATCH/log/of"
	for name in "${names[@]}"; do
		env LD_PRELOAD="$LIBRARY" PREALLOCATE_RULES="$RULES" PREALLOCATE_REPORT="$1" \
			PREALLOCATE_LOG=debug PREALLOCATE_LOG_FILE="$SCRATCH/log/of" \
			dd if=/dev/zero of="$MNT/names/$name" bs=1000 count=20 status=none || return
	done
	rm -r "$MNT/names"
}
json_is_well_formed() {
	write_names "$SCRATCH/report.json" && "$PYTHON" - "$SCRATCH/report.json" "${#names[@]}" <<'END'
import json, sys
lines = open(sys.argv[1], encoding='utf-8').read().splitlines()
assert len(lines) == int(sys.argv[2]), lines
for line in lines:
    assert json.loads(line)['appended_bytes'] in (0, 20000), line
END
}
lines_are_whole() {
	write_names "$SCRATCH/report.txt" &&
		[ "$(grep -ac '^preallocate\[[0-9]*\]: .* fallback: ' "$SCRATCH/report.txt")" = \
			"$(wc -l <"$SCRATCH/report.txt")" ] &&
		! LC_ALL=C grep -av '^preallocate: [a-z]*: [[:print:]'$'\x80-\xff'']*$' "$SCRATCH/log/of"
}
if [ -n "$PYTHON" ]; then
	check "names: the report's JSON is well-formed" json_is_well_formed
else
	skip "names: the report's JSON" "python3 is not installed"
fi
check "names: the report and the log have whole lines" lines_are_whole

# --- the guardian is killed, or stopped for a while, at any moment ---

harass() { # SIGNAL ROUNDS
	local round pid

	for ((round = 0; round < $2; round++)); do
		sleep "0.$((RANDOM % 400 + 100))"
		for pid in $(grep -ls '^preallocate-gua' /proc/[0-9]*/comm | cut -d/ -f3); do
			kill "-$1" "$pid" 2>/dev/null
			[ "$1" != STOP ] || { sleep 0.2; kill -CONT "$pid" 2>/dev/null; }
		done
	done
}
survives() { # SIGNAL
	# shellcheck disable=SC2034 # run.sh's
	run_options=(--prealloc-size 256k --prealloc-align 64k)
	start_writer zero "$MNT/held.data" -n 1000000 -d 300 -m append || return
	harass "$1" "${FULL:+4}8"
	remember
	cp "$MNT/held.data" "$MNT/copy" || return
	sees_all "$MNT/copy" || return
	goes_on || { echo "the writer hangs"; return 1; }
	end_writer KILL
	wait_until 5 no_guardian || return
	"$HELPERS/record-check" "$ACK" "$MNT/held.data" && [ "$(wc -l <"$SCRATCH/writer.err")" -le 2 ]
}
check "the guardian is killed now and then" survives KILL
check "the guardian is stopped now and then" survives STOP

# --- a program that scribbles over the memory that it shares with its guardian ---

check "scribbled over" env SCRIBBLER_PRELOAD="$LIBRARY" PREALLOCATE_LOG=error \
	PREALLOCATE_RULES='*.data mode=zero prealloc-size=64k prealloc-align=4k idle=200ms' \
	"$HELPERS/scribbler" "$((RANDOM))" "$((${PREALLOCATE_TEST_ROUNDS:-1} * 60))" "$MNT/scribbled.data"
check "no guardian is left" wait_until 15 no_guardian

done_testing
