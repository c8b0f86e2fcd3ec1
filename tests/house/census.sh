#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The census of symbols (src/libc/census.txt) knows every symbol that the libraries of this machine,
# and others whose lists are kept in symbols/, export; and what it says of our library is so.
. "$(dirname "$0")/../lib/tap.sh"
need nm awk ldconfig

LIBRARY=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so
CENSUS=$PREALLOCATE_SRCDIR/src/libc/census.txt
NONE=$PREALLOCATE_SRCDIR/src/libc/census-none.txt
SYMBOLS=$PREALLOCATE_SRCDIR/tests/house/symbols

[ -r "$LIBRARY" ] || skip_all "$LIBRARY is not built"

# exports LIBRARY: "address name" of each symbol, versions left out
exports() {
	nm -D --defined-only "$1" |
		awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $1, $3 }' | LC_ALL=C sort -u
}

exported_names() {
	exports "$1" | cut -d' ' -f2 | LC_ALL=C sort -u
}

# Table of the census, "name class reason", the names of census-none.txt in class none.
census_table() {
	awk '!/^#/ && NF { print }' "$1"
	awk '!/^#/ { for (i = 1; i <= NF; i++) print $i, "none" }' "$NONE"
}

known() {
	census_table "$1" | awk '{ print $1 }' | LC_ALL=C sort
}

# unknown CENSUS NAMES: of the list of names, those that the census doesn't know
unknown() {
	LC_ALL=C comm -13 <(known "$1" | uniq) <(LC_ALL=C sort -u "$2")
}

# not_exported CENSUS NAMES: said to be interposed, and not among our exports. What only a newer
# libc has is interposed where that libc is.
not_exported() {
	LC_ALL=C comm -23 <(census_table "$1" | awk '$2 == "answered" || $2 == "settled"' |
		awk -v here="$SCRATCH/here" 'BEGIN { while ((getline n <here) > 0) libc[n] = 1 }
			$3 != "since" || $1 in libc { print $1 }' | LC_ALL=C sort -u) "$2"
}

# unlisted CENSUS NAMES: of our exports, those that the census doesn't call interposed
unlisted() {
	LC_ALL=C comm -13 <(census_table "$1" | awk '$2 == "answered" || $2 == "settled" { print $1 }' |
		LC_ALL=C sort -u) "$2"
}

# other_names CENSUS LIBRARY: names that libc gives a function which we interpose under another one
other_names() {
	exports "$2" | awk 'NR == FNR { class[$1] = $2; private[$1] = $3 == "GLIBC_PRIVATE:"; next }
		{ at[$1] = at[$1] " " $2 }
		END {
			for (a in at) {
				n = split(at[a], names, " "); ours = ""
				for (i = 1; i <= n; i++)
					if (class[names[i]] ~ /answered|settled/)
						ours = names[i]
				for (i = 1; ours && i <= n; i++)
					if (class[names[i]] !~ /answered|settled/ && !private[names[i]])
						print names[i] " is " ours
			}
		}' <(census_table "$1") -
}

find_library() { # NAME
	ldconfig -p | awk -v name="$1" '$1 == name && /x86-64|AArch64|libc6|64bit/ { print $NF; exit }'
}

exported_names "$LIBRARY" >"$SCRATCH/ours"
: >"$SCRATCH/here"

is "no symbol is listed twice" "$(known "$CENSUS" | uniq -d | tr '\n' ' ')" ""
is "every line has a class" \
	"$(census_table "$CENSUS" | awk '$2 !~ /^(answered|settled|passed|none)$/')" ""
is "every line of census.txt says how or why" "$(awk '!/^#/ && NF && NF < 3' "$CENSUS")" ""

for library in libc.so.6 libpthread.so.0 librt.so.1 libdl.so.2 libanl.so.1 libutil.so.1 \
	libaio.so.1 libaio.so.1t64 liburing.so.2; do
	path=$(find_library "$library")
	if [ -z "$path" ]; then
		skip "$library of this machine" "it isn't there"
		continue
	fi
	exported_names "$path" >"$SCRATCH/names"
	cat "$SCRATCH/names" >>"$SCRATCH/here"
	is "$library of this machine: every name is known" \
		"$(unknown "$CENSUS" "$SCRATCH/names" | tr '\n' ' ')" ""
	is "$library: what we interpose has no name besides that passes" \
		"$(other_names "$CENSUS" "$path" | tr '\n' ' ')" ""
done

for list in "$SYMBOLS"/*.txt; do
	cut -d' ' -f1 "$list" >"$SCRATCH/names"
	is "$(basename "$list" .txt): every name is known" \
		"$(unknown "$CENSUS" "$SCRATCH/names" | tr '\n' ' ')" ""
done

is "what is answered or settled is exported by the library" \
	"$(not_exported "$CENSUS" "$SCRATCH/ours" | tr '\n' ' ')" ""
is "what the library exports is answered or settled" \
	"$(unlisted "$CENSUS" "$SCRATCH/ours" | tr '\n' ' ')" ""

# Of what libc has no other name for: a SIGCANCEL that comes late would end the thread there, with its locks.
is "the library calls none of libc's cancellation points" "$(nm -D --undefined-only "$LIBRARY" |
	awk '{ sub(/@.*/, "", $2); print $2 }' | grep -xE '(__)?(accept4?|clock_nanosleep|connect|epoll_p?wait2?|close|(creat|open|openat)(64)?|fcntl(64)?|fdatasync|fsync|fallocate(64)?|getrandom|lockf(64)?|msgrcv|msgsnd|msync|nanosleep|pause|p?poll|p?select|preadv?2?(64)?|pwritev?2?(64)?|readv?|writev?|recv|recvfrom|recvm?msg|send|sendto|sendm?msg|sigpause|sigsuspend|sigtimedwait|sigwait|sigwaitinfo|sleep|splice|sync_file_range|tcdrain|tee|usleep|vmsplice|wait[34]?|waitid|waitpid)' |
	tr '\n' ' ')" ""

# What the library's own code below src/libc calls by such a name would be taken for the program's.
OWN_CALLS=$PREALLOCATE_SRCDIR/scripts/own-calls
archives=()
for folder in base filter rules recovery claim files; do
	archives+=("$PREALLOCATE_BUILDDIR/.libs/lib$folder.a")
done
is "no code below src/libc calls what we interpose by its name" \
	"$("$OWN_CALLS" "$CENSUS" "${archives[@]}" 2>&1)" ""

# Each of these comparisons finds what it is there to find.
grep -v '^pwritev2[[:space:]]' "$CENSUS" >"$SCRATCH/census"
printf 'pwritev2\n' >"$SCRATCH/names"
is "a name that is missing in the census is found" \
	"$(unknown "$SCRATCH/census" "$SCRATCH/names")" pwritev2
is "an export that is missing in the census is found" \
	"$(unlisted "$SCRATCH/census" "$SCRATCH/ours")" pwritev2
{ cat "$CENSUS" && echo 'pwritev3 settled nowhere'; } >"$SCRATCH/census"
is "a symbol that nobody interposes is found" \
	"$(not_exported "$SCRATCH/census" "$SCRATCH/ours")" pwritev3
sed 's/^__fork\([[:space:]]\)*answered/__fork passed/' "$CENSUS" >"$SCRATCH/census"
wrappers=$PREALLOCATE_BUILDDIR/src/libc/.libs/libpreallocate_la-syscall.o
check "a call of ours by an interposed name is found" grep -q 'pwritev2() is our own wrapper' \
	<("$OWN_CALLS" "$CENSUS" "$wrappers" 2>&1)
check "and isn't linked" eval '! "$OWN_CALLS" "$CENSUS" "$wrappers" 2>/dev/null'
path=$(find_library libc.so.6)
if exported_names "$path" | grep -qx __fork; then
	is "another name of an interposed function is found" \
		"$(other_names "$SCRATCH/census" "$path" | grep -o '^__fork is')" "__fork is"
fi

diag "$(census_table "$CENSUS" | awk '{ count[$2]++ } END {
	printf "%d symbols known: %d answered, %d settled, %d passed on, %d none", NR,
		count["answered"], count["settled"], count["passed"], count["none"] }')"
done_testing
