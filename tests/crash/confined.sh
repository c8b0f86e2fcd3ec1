#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set and use
# A filter that kills for any other system call than those of an ordinary service (systemd's @system-service): a
# program under it lives, and gains. libpreallocate(7) lists what library and guardian may add to a program's calls:
# what inject.txt and inject-guardian.txt know, and whoever allows these besides the program's own has a
# program that lives.
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
need strace

HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/../lib/inject.sh" "$HERE/inject.txt"
MANUAL=$HERE/../../man/libpreallocate.7
UNDER_NO_FILTER=cachestat

calls_in_tables() {
	awk -f "$HERE/../lib/system-calls.awk" "$HERE/inject.txt" "$HERE/inject-guardian.txt" | sort -u
}
calls_in_manual() {
	sed -n '/^\.\\" system calls$/,/^\.\\" end$/p' "$MANUAL" | grep -v '^\.' | tr ' ' '\n' | sort -u
}
of_services() {
	grep -v '^#' "$HERE/../lib/system-service.txt" | sort -u
}

calls_in_manual >"$SCRATCH/manual"
calls_in_tables >"$SCRATCH/tables"
is "the manual lists what the tables do" \
	"$(comm -3 --output-delimiter=+ "$SCRATCH/manual" "$SCRATCH/tables" | tr '\n' ' ')" ""
is "all but one are an ordinary service's" \
	"$(comm -23 "$SCRATCH/manual" <(of_services) | tr '\n' ' ')" "$UNDER_NO_FILTER "

# --- what is called ---

# traced FILE JOB...: becomes the job, the names of all of whose calls are added to FILE
cat >"$SCRATCH/traced" <<END
#!/bin/bash
list=\$1
shift
exec strace -f -qq -o "|sed -nE 's/^[0-9]+ +([a-z0-9_]+)\\(.*/\\1/p' | sort -u >>\$list" "\$@"
END
# confined FILE JOB...: the same, to which no other call is allowed than those in FILE. The guardian's death
# would go unnoticed: strace tells.
cat >"$SCRATCH/confined" <<END
#!/bin/bash
numbers=\$1
shift
exec strace -f -q -e trace=none -e signal=none -o "|grep -F 'killed by SIGSYS' >>$SCRATCH/deaths" \\
	"$HELPERS/confined" \$(cat "\$numbers") -- "\$@"
END
chmod +x "$SCRATCH/traced" "$SCRATCH/confined"

program=$JOB
job_by() { # WRAPPER FILE: day() has it run by that
	JOB=$SCRATCH/job
	printf '#!/bin/bash\ncase ${1:-} in look) exec %q "$@" ;; esac\nexec %q %q %q "$@"\n' \
		"$program" "$1" "$2" "$program" >"$JOB"
	chmod +x "$JOB"
}

numbers_of() { # FILE WITH NAMES
	printf '#include <sys/syscall.h>\n' | "${CC:-cc}" -E -dM - 2>/dev/null |
		awk 'NR == FNR { wanted[$1]; next }
			/^#define __NR_/ { sub(/__NR_/, "", $2); if ($2 in wanted) print $3 }' "$1" -
}

rules_of() { # MODE
	echo "*.dat mode=$1 $OPTIONS; *.keep mode=keep $OPTIONS"
}

in_every_mode() { # TYPE WHAT
	local mode

	for mode in zero write keep; do
		RULES=$(rules_of "$mode")
		check "$1: $2, mode $mode" lives_in "$mode" "$1"
	done
}

lives_in() { # MODE TYPE
	local wrong extended=(TRANSCRIPT_EXTENDED=1)

	[ "$1 $2" != "zero btrfs" ] && [ "$1" != keep ] || extended=()
	: >"$SCRATCH/deaths"
	managed_day "${extended[@]}"
	wrong=$(differs 1000000; cat "$SCRATCH/deaths")
	echo "$wrong"
	[ -z "$wrong" ]
}

on_filesystem() { # TYPE
	local type=$1

	# The plain program's own, and those with the library.
	: >"$SCRATCH/plain.calls"
	job_by "$SCRATCH/traced" "$SCRATCH/plain.calls"
	check "$type: the day without the library, traced" plain_day || return
	JOB=$program
	check "$type: the day without the library" plain_day || return
	sort -u -o "$SCRATCH/plain.calls" "$SCRATCH/plain.calls"

	if ! numbers_of "$SCRATCH/manual" | grep -q .; then
		skip "$type: under a filter" "no C compiler, which knows the calls' numbers"
		return
	fi
	of_services >"$SCRATCH/services"
	numbers_of "$SCRATCH/services" >"$SCRATCH/services.numbers"
	job_by "$SCRATCH/confined" "$SCRATCH/services.numbers"
	check "$type: the filter does no harm by itself" plain_day
	in_every_mode "$type" "an ordinary service's calls alone"

	grep -vx "$UNDER_NO_FILTER" "$SCRATCH/manual" | sort -u - "$SCRATCH/plain.calls" >"$SCRATCH/narrow"
	numbers_of "$SCRATCH/narrow" >"$SCRATCH/narrow.numbers"
	job_by "$SCRATCH/confined" "$SCRATCH/narrow.numbers"
	check "$type: the narrow filter does no harm by itself" plain_day
	in_every_mode "$type" "the program's own and the manual's calls alone"
	JOB=$program
}

for_each_filesystem on_filesystem
done_testing
