#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The protocol of an append, in every order of its steps: append.pml, checked by spin; and without each of the steps
# that it is made of, which spin must notice.
. "$(dirname "$0")/../lib/tap.sh"

HERE=$(cd "$(dirname "$0")" && pwd)
type -P spin >/dev/null || skip_all "no spin"
type -P "${CC:-cc}" >/dev/null || skip_all "no C compiler"

# verdict OPTIONS...: "errors: N" of the model with these, after all its states
verdict() {
	local pan_options=()

	[[ " $* " != *" -DKILL "* ]] || pan_options=(-E)
	(
		cd "$SCRATCH" && rm -f pan* && spin -a "$@" "$HERE/append.pml" >spin.out 2>&1 &&
			"${CC:-cc}" -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c &&
			./pan -m400000 "${pan_options[@]}" >pan.out 2>&1
		grep -q 'Search not completed' pan.out && ! grep -q 'errors: [1-9]' pan.out ||
			grep -o 'errors: [0-9]*' pan.out
	) 2>/dev/null
}

holds() { # DESCRIPTION OPTIONS...
	is "$1" "$(verdict "${@:2}")" "errors: 0" || diag "$(tail -n 30 "$SCRATCH/pan.out" "$SCRATCH/spin.out")"
}

falls_without() { # STEP NUMBER OPTIONS...
	is "not without $1" "$(verdict "-DLEAVE_OUT=$2" "${@:3}")" "errors: 1"
}

stopped=(-DSECOND -DNEIGHBOURS -DSTOP)
told=(-DEXTENSIONS=1 -DTELLER -DNEIGHBOURS -DSTOP)
handled=(-DEXTENSIONS=1 -DSECOND -DHANDLER -DNEIGHBOURS)

holds "two threads, a neighbour, and a stop" "${stopped[@]}"
holds "three appends" -DFIRST=2 -DEXTENSIONS=1 -DSECOND -DNEIGHBOURS
holds "the program is killed" -DSECOND -DNEIGHBOURS -DKILL
holds "who asks for the size" "${told[@]}"
holds "two threads, a signal handler, and a neighbour" "${handled[@]}"

falls_without "a look under the gate" 1 "${stopped[@]}"
falls_without "a look under the lock" 2 "${stopped[@]}"
falls_without "a look at the lock after the write was announced" 3 "${stopped[@]}"
falls_without "the count of what an interrupted write has done" 4 "${stopped[@]}"
falls_without "the write once more that a cut has taken away" 5 "${stopped[@]}"
falls_without "a look at the offset behind the cut" 6 "${stopped[@]}"
falls_without "leaving a file alone whose lock was taken from a thread that doesn't know" 7 "${stopped[@]}"
falls_without "the lease" 8 "${stopped[@]}"
falls_without "the sequence" 9 "${told[@]}"
falls_without "a look for a handler's append" 10 "${handled[@]}"
done_testing
