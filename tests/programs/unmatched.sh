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

# Loading is over when the program's main starts; what follows can't be told apart by name, so
# compare how often each call is made that can touch a file's data or size. Mapping, reading
# ELF headers and finding the library are the loader's.
count_calls() { # FILE
	sed -E 's/^[0-9]+ +//' "$1" | grep -oE '^[a-z0-9_]+' |
		grep -vE '^(mmap|munmap|mprotect|brk|readlink|readlinkat|prlimit64|getrandom|futex)$' |
		LC_ALL=C sort | uniq -c
}

# Loading costs a few opens and reads: tell them by the files they name.
without_loading() {
	awk '
		/openat\(.*"[^"]*(libpreallocate|\/lib[^"]*\.so|ld\.so)[^"]*"/ { skip = 1; next }
		/"(\/etc\/ld\.so\.preload)"/ { next }
		skip && /(read|pread64|fstat|newfstatat)\([0-9]+,/ { next }
		skip && /close\([0-9]+\)/ { skip = 0; next }
		skip && /mmap\(/ { next }
		{ print }
	' "$1"
}

fresh() {
	rm -f ./*.out
	head -c 30000 /dev/zero >before.out
}

same_calls() {
	fresh
	strace -f -o plain.strace "$@" </dev/null >/dev/null 2>&1
	fresh
	if library_left_out; then
		strace -f -o managed.strace "$@" </dev/null >/dev/null 2>&1
	else
		# Traced from the outside, so that `preallocate run` itself isn't counted.
		managed zero '*.matches-nothing' strace -f -o managed.strace "$@" \
			</dev/null >/dev/null 2>&1
	fi
	without_loading plain.strace >plain.calls
	without_loading managed.strace >managed.calls
	diff <(count_calls plain.calls) <(count_calls managed.calls)
}

check "dd" same_calls dd if=/dev/zero of=dd.out bs=1000 count=300
check "dd, appending and syncing" same_calls \
	dd if=/dev/zero of=before.out bs=1000 count=50 oflag=append,dsync conv=notrunc
check "python3" same_calls "$PYTHON" -B -S -E script.py
check "perl" same_calls perl -e \
	'open(my $f, ">", "perl.out"); print $f "x" x 100 for 1 .. 1000; truncate($f, 7); system("true")'
check "cp" same_calls cp before.out cp.out
check "sort" same_calls sort -o sorted.out script.py
done_testing
