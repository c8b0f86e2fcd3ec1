#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# A program stopped in the very moment before, and after, the system call of its append: what a
# neighbour sees meanwhile, and what is there when it has gone on.

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

# shellcheck disable=SC2034 # run.sh's
run_options=(--prealloc-size 4M)

# SIDE METHOD APPENDED, and what is seen and left, as without the library.
cases() {
	cat <<-END
		entry write 0 o640 o640n64
		entry append 0 o640 o640n64
		entry pwrite 0 o640 o640n64
		entry pwrite-only 0 o640 o640n64
		entry pwrite-append 0 o640 o640n64
		entry pwrite-append-only 0 o640 o640n64
		entry pwrite-across 0 o640 o577n64
		entry write 100 o640 o640n64b36
		entry append 100 o640 o640b100n64
		entry pwrite 100 o640 o640n64b36
		entry pwrite-only 100 o640 o640n64b36
		entry pwrite-append 100 o640 o640b100n64
		entry pwrite-append-only 100 o640 o640b100n64
		entry pwrite-across 100 o640 o577n64b99
		exit write 0 o640n64 o640n64
		exit append 0 o640n64 o640n64
		exit pwrite 0 o640n64 o640n64
		exit pwrite-only 0 o640n64 o640n64
		exit pwrite-append 0 o640n64 o640n64
		exit pwrite-append-only 0 o640n64 o640n64
		exit pwrite-across 0 o577n64 o577n64
		exit write 100 o640n64 o640n64b100
		exit append 100 o640n64 o640n64b100
		exit pwrite 100 o640n64 o640n64b100
		exit pwrite-only 100 o640n64 o640n64b100
		exit pwrite-append 100 o640n64 o640n64b100
		exit pwrite-append-only 100 o640n64 o640n64b100
		exit pwrite-across 100 o577n64 o577n64b100
	END
}

# Before the call, in what the library does for it.
moments() {
	cat <<-END
		seek append-back 0 o640 o640n64
		seek append-back 100 o640 o640b100n64
		seek pwrite-append 0 o640 o640n64
		seek pwrite-append 100 o640 o640b100n64
		mask pwrite-append 100 o640 o640b100n64
		mask write-asks 0 o640 o640n64
		mask write-asks 100 o640 o640b100n64
		entry append-mixed 0 o640 o640n64
	END
}

# Its bytes can't be read back, so the append counts only when the call returns: after the
# neighbour's, which it has come before without the library. Nothing tells the two orders apart.
later() {
	case $* in
	"exit pwrite-only 0") echo o640 o640n64 ;;
	"exit pwrite-only 100") echo o640 o640n64b36 ;;
	*) false ;;
	esac
}

interrupted() { # SIDE METHOD APPENDED [COMMAND...]
	local side=$1 method=$2 bytes=$3 file=$MNT/interrupted.data
	shift 3

	rm -f "$file"
	timeout "$(patience 60)" "$HELPERS/interrupted" "$side" "$method" "$bytes" "$file" "$@" 2>&1 |
		sed 's/^seen //;s/^final //' | paste -sd ' '
}

stopped_in_a_call() { # TYPE
	local side method bytes seen final prefix got wanted

	set_prefix zero '*.data'
	while read -r side method bytes seen final; do
		is "$1: plain: $side of $method, $bytes bytes of a neighbour" \
			"$(interrupted "$side" "$method" "$bytes")" "$seen $final"
		wanted="$seen $final"
		got=$(interrupted "$side" "$method" "$bytes" "${prefix[@]}")
		[ "$got" != "$(later "$side" "$method" "$bytes")" ] || wanted=$got
		is "$1: $side of $method, $bytes bytes of a neighbour" "$got" "$wanted"
	done < <(cases)
}

# Before the cut there is a proof that nothing would be lost: an append in between is made again.
made_while_it_is_settled() { # TYPE
	local side method bytes seen final prefix

	set_prefix zero '*.data'
	while read -r side method bytes seen final; do
		[ "$side" = entry ] || continue
		# Without SEEK_DATA or FIEMAP to go by, what can't be read is never extended.
		case $1-$method in tmpfs-*-only) continue ;; esac
		# What it has overwritten is there at once.
		[ "$method" != pwrite-across ] || seen=o577n63
		is "$1: $method just before the cut, $bytes bytes of a neighbour" \
			"$(interrupted cut "$method" "$bytes" "${prefix[@]}")" "$seen $final"
		[ "$bytes" -eq 0 ] || continue
		is "$1: $method just before the proof, and on" \
			"$(interrupted race "$method" 0 "${prefix[@]}")" "$final"
		is "$1: $method just before the cut, and on" \
			"$(interrupted late "$method" 0 "${prefix[@]}")" "$final"
	done < <(
		cases
		moments
	)
	while read -r side method bytes seen final; do
		is "$1: $method, stopped at $side, $bytes bytes of a neighbour" \
			"$(interrupted "$side" "$method" "$bytes" "${prefix[@]}")" "$seen $final"
	done < <(moments)
}

each_filesystem() {
	stopped_in_a_call "$1"
	library_left_out || made_while_it_is_settled "$1"
}

for_each_filesystem each_filesystem
done_testing
