# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# Programs with and without the library, to be sourced after tap.sh.
#
#	managed MODE PATTERN command args...	runs it with the files that match PATTERN managed
#	managed_exec MODE PATTERN command ...	becomes it: `managed_exec ... & pid=$!` is its pid
#	set_prefix MODE PATTERN			prefix=(words that go before a command to manage it)
#	plain command args...			runs it without the library
#	run_options=(--prealloc-size 20M)	further options of `preallocate run`
#	compare_trees A B			same names, bytes, sizes, modes, owners, xattrs,
#						and the same order of modification times
#	real_size FILE				the size that the filesystem knows
#	check_extended DESCRIPTION FILE SIZE	FILE is really longer than the SIZE that was written
#
# $HELPERS holds the test programs, $PYTHON is python3, $MODES the modes to test.
# PREALLOCATE_TEST_NULL=1 leaves the library out, so that both sides run plain: it proves the test.

PREALLOCATE_BUILDDIR=${PREALLOCATE_BUILDDIR:-$PWD}
PREALLOCATE=$PREALLOCATE_BUILDDIR/preallocate
HELPERS=$PREALLOCATE_BUILDDIR/tests/lib
MODES=${PREALLOCATE_TEST_MODES:-zero keep}

# A version manager's python3 is a shell script in front; its many files aren't what we test.
PYTHON=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null)

run_options=()

unset PREALLOCATE_RULES PREALLOCATE_REPORT
export PREALLOCATE_CONFIG=/dev/null

library_left_out() {
	[ -n "${PREALLOCATE_TEST_NULL:-}" ]
}

library_left_out || [ -x "$PREALLOCATE" ] || skip_all "$PREALLOCATE is not built"

set_prefix() {
	prefix=()
	library_left_out ||
		prefix=("$PREALLOCATE" run --mode "$1" "${run_options[@]}" -m "$2" --)
}

managed_exec() {
	local prefix

	set_prefix "$1" "$2"
	shift 2
	exec "${prefix[@]}" "$@"
}

managed() {
	(managed_exec "$@")
}

plain() {
	env -u LD_PRELOAD -u PREALLOCATE_RULES "$@"
}

real_size() {
	stat -c %s -- "$1"
}

# Quiet, for wait_until and conditions.
is_extended() {
	library_left_out || [ "$(real_size "$1")" -gt "$2" ]
}

check_extended() {
	if library_left_out; then
		skip "$1" "the library is left out"
		return
	fi
	is "$1" "$(real_size "$2" | awk -v n="$3" '{ print ($1 > n) ? "longer" : "size " $1 }')" longer
}

# tree_listing DIRECTORY: one line per name, all that must not depend on us.
tree_listing() (
	cd "$1" || exit
	# First: stat(2) alone may find a file, whose program has ended just now, longer than its data.
	find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
	find . -printf '%P %y %m %U:%G %l ' \( -type f -printf '%s\n' -o -printf '\n' \) | LC_ALL=C sort
	# The mark of an extended file must be gone, so every attribute counts.
	find . -print0 | LC_ALL=C sort -z | xargs -0 -r getfattr -h -d -m - -e hex -- 2>/dev/null
)

# Modification times differ from run to run, their order must not. Names of equal time (a clock
# tick, or cp -p) are sorted among themselves.
modification_order() (
	cd "$1" || exit
	find . -type f -printf '%T@ %P\n' | LC_ALL=C sort | cut -d' ' -f2-
)

compare_trees() {
	diff <(tree_listing "$1") <(tree_listing "$2")
}

compare_order() {
	diff <(modification_order "$1") <(modification_order "$2")
}

# differential DESCRIPTION PATTERN command args...
#
# Runs the command in empty directories below $MNT, plain and in each mode, and checks that it ends
# with the same exit status, output and tree.
differential() {
	local description=$1 pattern=$2 mode
	shift 2

	for mode in plain $MODES; do
		rm -rf "${MNT:?}/$mode"
		mkdir "$MNT/$mode"
		(
			cd "$MNT/$mode" || exit
			if [ "$mode" = plain ]; then
				plain "$@"
			else
				managed "$mode" "$pattern" "$@"
			fi
		) </dev/null >"$SCRATCH/$mode.out" 2>&1
		printf 'exit status %d\n' $? >>"$SCRATCH/$mode.out"
		[ "$mode" = plain ] || check "$description, mode $mode" same_results "$mode"
	done
	for mode in plain $MODES; do
		rm -rf "${MNT:?}/$mode"
	done
}

# A command that fails in both ways compares nothing.
same_results() {
	tail -n 1 "$SCRATCH/plain.out" | grep -qx 'exit status 0' || {
		echo 'fails without the library:'
		tail -n 20 "$SCRATCH/plain.out"
		return 1
	}
	diff -a "$SCRATCH/plain.out" "$SCRATCH/$1.out" && compare_trees "$MNT/plain" "$MNT/$1"
}
