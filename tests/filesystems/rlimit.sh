#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Memory follows the descriptors in use, not the limit; 10,000 managed files are open at once.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need python3
HUGE=1073741816

cat >"$SCRATCH/memory.sh" <<'END_OF_BASH'
exec 5>memory.data
echo something >&5
while read -r name value _; do
	case $name in VmRSS: | VmData:) echo "$value" ;; esac
done </proc/$$/status
END_OF_BASH

# memory LIMIT plain|managed: KiB that are resident, and that are reserved for data
memory() {
	local prefix=()

	[ "$2" = plain ] || set_prefix zero '*.data'
	(
		cd "$SCRATCH" && ulimit -n "$1" || exit
		"${prefix[@]}" bash "$SCRATCH/memory.sh" | paste -sd' '
	)
}

small=$(memory 256 managed)

# Resident memory varies by chance, by less than a table would take.
changes_nothing() { # LIMIT
	local large

	large=$(memory "$1" managed)
	echo "KiB resident, data: limit 256 $small, limit $1 $large"
	[ -n "$large" ] && [ $((${large% *} - ${small% *})) -lt 256 ] &&
		[ $((${large#* } - ${small#* })) -lt 256 ]
}

plain=$(memory 256 plain)
check "the library makes less than 1 MiB resident" test $((${small% *} - ${plain% *})) -lt 1024

# The limit that is there, and the one that containers and systemd have been seen to set.
for limit in $(ulimit -Hn) $HUGE; do
	if (ulimit -n "$limit") 2>/dev/null; then
		check "a limit of $limit changes no memory use" changes_nothing "$limit"
	else
		skip "a limit of $limit" "not permitted: the hard limit is $(ulimit -Hn)"
	fi
done

# Whoever asks is told so all the same: what the library sizes by it would show.
told() {
	export LD_PRELOAD=$HELPERS/.libs/nofile.so
	changes_nothing 256
}
check "being told of a limit of $HUGE changes no memory use" told
unset LD_PRELOAD

cat >"$SCRATCH/many.py" <<'END_OF_PYTHON'
import os

COUNT = 10000
fds = [os.open('%d.data' % i, os.O_RDWR | os.O_CREAT | (i % 2 and os.O_APPEND))
       for i in range(COUNT)]
for turn in 1, 2:
    for i, fd in enumerate(fds):
        assert os.write(fd, b'%099d\n' % i) == 100
for i, fd in enumerate(fds):
    assert os.fstat(fd).st_size == 200, (i, os.fstat(fd).st_size)
print(len(fds), 'open')
for fd in fds[::2]:
    os.close(fd)
for i, fd in list(enumerate(fds))[1::2]:
    os.write(fd, b'last\n')
    os.close(fd)
for i in range(COUNT):
    with open('%d.data' % i, 'rb') as f:
        assert f.read() == b'%099d\n' % i * 2 + (b'last\n' if i % 2 else b''), i
    os.unlink('%d.data' % i)
END_OF_PYTHON

many_files() {
	# shellcheck disable=SC2034 # run.sh's
	run_options=(--prealloc-size 16k --prealloc-align 4k)
	differential "$1: 10,000 files open at once" '*.data' "$PYTHON" "$SCRATCH/many.py"
}

if ulimit -n 20000 2>/dev/null; then
	for_each_filesystem many_files
else
	skip "10,000 files" "no more than $(ulimit -Hn) descriptors may be open"
fi
done_testing
