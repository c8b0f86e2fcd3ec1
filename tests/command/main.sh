#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Subcommands, help, and what every subcommand says when it is used wrongly.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/common.sh"

check "version" "$PREALLOCATE" version
prints "--version is version" 0 "$("$PREALLOCATE" version)" --version
prints "-V is version" 0 "$("$PREALLOCATE" version)" -V
says "version takes nothing" 125 "version takes no argument, but got 'x'" version x
prints "--help is help" 0 "$("$PREALLOCATE" help)" --help
prints "-h is help" 0 "$("$PREALLOCATE" help)" -h
check_not "no subcommand fails" "$PREALLOCATE"
is "no subcommand: the usage" "$("$PREALLOCATE" 2>&1 >/dev/null)" "$("$PREALLOCATE" help)"
says "an unknown subcommand" 125 "there is no subcommand 'frob'; see preallocate help" frob
says "help for an unknown one" 125 "there is no subcommand 'frob'; see preallocate help" help frob
says "help for two" 125 "help takes one subcommand, but got 'match' too" help run match
says "control bytes don't reach the terminal" 125 \
	"there is no subcommand '?[2Jx?'; see preallocate help" $'\e[2Jx\n'

for subcommand in run check-rules match settle trim bench; do
	prints "$subcommand --help" 0 "$("$PREALLOCATE" help "$subcommand")" "$subcommand" --help
	check "help lists $subcommand" grep -q "^  $subcommand " <("$PREALLOCATE" help)
	check "help $subcommand is 100 columns wide at most" \
		awk 'length > 100 { exit 1 }' <("$PREALLOCATE" help "$subcommand")
	says "$subcommand: unknown long option" 125 \
		"there is no option '--frob'; see preallocate help $subcommand" "$subcommand" --frob
	says "$subcommand: unknown short option" 125 \
		"there is no option '-Z'; see preallocate help $subcommand" "$subcommand" -Z
	says "$subcommand: a value too many" 125 \
		"option '--help' takes no value; see preallocate help $subcommand" \
		"$subcommand" --help=x
done
for subcommand in match settle trim; do
	says "$subcommand without a path" 125 \
		"$subcommand needs the path of a file; see preallocate help $subcommand" "$subcommand"
done
says "a value missing" 125 "option '-m' needs a value; see preallocate help run" run -m
says "a long option's value missing" 125 "option '--mode' needs a value; see preallocate help run" \
	run --mode

if [ -c /dev/full ]; then
	check "a full standard output is a failure" \
		sh -c "'$PREALLOCATE' help >/dev/full 2>'$SCRATCH/err'; test \$? -eq 125"
	is "and is said" "$(cat "$SCRATCH/err")" \
		"preallocate: standard output can't be written: No space left on device"
else
	skip "a full standard output is a failure" "there is no /dev/full"
fi
done_testing
