#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A program with no matching file makes the same system calls with and without the library, but
# for those that load it.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/run.sh"

need strace python3 perl dd
strace -o /dev/null true 2>/dev/null || skip_all "strace can't trace here"
cd "$SCRATCH" || exit

cat >script.py <<'END_OF_PYTHON'
import os
with open('python.out', 'wb', buffering=0) as f:
    for i in range(500):
        f.write(b'x' * 100)
        os.fstat(f.fileno())
    os.lseek(f.fileno(), 0, os.SEEK_END)
    os.ftruncate(f.fileno(), 10)
    g = os.dup(f.fileno()); os.close(g)
    os.posix_fallocate(f.fileno(), 0, 5000)
for i in range(100):
    os.stat('python.out')
os.rename('python.out', 'renamed.out'); os.unlink('renamed.out')
if os.fork() == 0:
    os._exit(0)
os.wait()
END_OF_PYTHON

# What loading the library costs a program that does nothing; every exec costs that once more.
# Where memory is mapped depends on chance, and on the room that our mapping leaves.
count_calls() { # FILE
	sed -E 's/^[0-9]+ +//' "$1" | grep -oE '^[a-z0-9_]+' |
		grep -vE '^(mmap|munmap|mprotect|brk|getrandom|futex)$' |
		LC_ALL=C sort | uniq -c | awk '{ print $2, $1 }'
}

count_execs() { # FILE
	grep -c 'execve(.* = 0$' "$1"
}

expected_calls() {
	awk -v execs="$(count_execs plain.strace)" '
		FILENAME == "loading.plain" { n[$1] -= execs * $2 }
		FILENAME == "loading.managed" { n[$1] += execs * $2 }
		FILENAME == "plain.calls" { n[$1] += $2 }
		END { for (call in n) if (n[call]) print call, n[call] }
	' loading.plain loading.managed plain.calls | LC_ALL=C sort
}

fresh() {
	rm -f ./*.out
	head -c 30000 /dev/zero >before.out
}

trace() { # plain|managed command...
	local prefix=() run=$1
	shift

	# Traced from the outside, so that `preallocate run` itself isn't counted.
	[ "$run" = plain ] || set_prefix zero '*.matches-nothing'
	fresh
	"${prefix[@]}" strace -f -s 200 -o $run.strace "$@" </dev/null >/dev/null 2>&1
	count_calls $run.strace >$run.calls
}

same_calls() {
	trace plain "$@"
	trace managed "$@"
	diff <(expected_calls) managed.calls
}

for run in plain managed; do
	trace $run /bin/true
	cp $run.calls loading.$run
done
diag "loading costs $(awk '{ n += $2 } END { print n }' loading.managed) calls instead of" \
	"$(awk '{ n += $2 } END { print n }' loading.plain)"
check "dd" same_calls dd if=/dev/zero of=dd.out bs=1000 count=300
check "dd, appending and syncing" same_calls \
	dd if=/dev/zero of=before.out bs=1000 count=50 oflag=append,dsync conv=notrunc
check "python3" same_calls "$PYTHON" -B -S -E script.py
check "perl" same_calls perl -e \
	'open(my $f, ">", "perl.out"); print $f "x" x 100 for 1 .. 1000; truncate($f, 7); system("true")'
check "cp" same_calls cp before.out cp.out
check "sort" same_calls sort -o sorted.out script.py
done_testing
