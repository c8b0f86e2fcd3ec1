# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# What the programs' tests share, to be sourced after run.sh.
#
#	rotate "TYPE:MODE ..." FUNCTION		for_each_filesystem in $MODES: with these pairs alone,
#						the share of every day, unless the environment names
#						filesystems or modes or sets PREALLOCATE_TEST_FULL
#	reported "PATTERN" FIELD		the sum of a count over the report's entries whose path
#						matches the regular expression
#	check_used DESCRIPTION MODE [PATTERN]	the mode was at work: the size of matching files was
#						extended, or blocks were allocated past their end
#	new_report				forgets the report
#	differential_used DESCRIPTION ...	differential, which proves too that the library was there
#
# The report is asked for by ${report_options[@]}, which belong into run_options.

REPORT=$SCRATCH/report.json
report_options=("--report=$REPORT")
run_options=("${report_options[@]}")

rotate() {
	local pair FILESYSTEMS=$FILESYSTEMS MODES=$MODES

	if [ -n "${PREALLOCATE_TEST_FULL:-}${PREALLOCATE_TEST_FILESYSTEMS:-}${PREALLOCATE_TEST_MODES:-}" ]; then
		for_each_filesystem "$2"
		return
	fi
	for pair in $1; do
		FILESYSTEMS=${pair%%:*}
		MODES=${pair#*:}
		for_each_filesystem "$2"
	done
}

# An empty file: the report is opened by programs of other users too.
new_report() {
	rm -f "$REPORT"
	: >"$REPORT"
	chmod 666 "$REPORT"
}

reported() {
	sed -nE "s|.*\"path\":\"[^\"]*$1[^\"]*\".*\"$2\":([0-9]+).*|\1|p" "$REPORT" |
		awk '{ n += $1 } END { print n + 0 }'
}

check_used() {
	local field=extensions

	[ "$2" != keep ] || field=keep_extensions
	if library_left_out; then
		skip "$1" "the library is left out"
	elif [ "$(reported "${3:-}" $field)" -gt 0 ]; then
		tap_ok "$1"
	else
		tap_not_ok "$1"
		diag "no entry with $field for '${3:-}' among $(wc -l <"$REPORT") in the report"
		diag "$(tail -n 5 "$REPORT")"
	fi
}

differential_used() {
	local description=$1 mode modes=$MODES MODES

	for mode in $modes; do
		MODES=$mode
		new_report
		differential "$@"
		check_used "$description, mode $mode: the library was at work" "$mode"
	done
}
