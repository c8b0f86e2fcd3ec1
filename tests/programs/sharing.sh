#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Children, threads and signal handlers that append through the same description: nothing is
# overwritten, nothing is lost.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need python3
SECONDS_OF_THREADS=${PREALLOCATE_TEST_SECONDS:-2}

ack=$SCRATCH/acknowledged

shared_by() { # TYPE MODE WAY
	local file=$MNT/shared.data said

	rm -f "$ack" "$file"
	# The end of stdout is the end of a daemon too.
	said=$(managed "$2" '*.data' "$HELPERS/sharer" "$3" "$HELPERS/appender" "$ack" "$file" 2>"$SCRATCH/sharer.err")
	check "$1, mode $2: $3" "$HELPERS/record-check" "$ack" "$file" ||
		diag "$(cat "$SCRATCH/sharer.err")"
	[ "$2" = zero ] && ! library_left_out || return 0
	is "$1: extended before $3" "${said% before,*}" extended
	case $3 in
	fork | alarm) is "$1: extended again after $3" "${said##*, }" "extended after" ;;
	esac
}

cat >"$SCRATCH/popen.py" <<'END_OF_PYTHON'
import os, subprocess, sys
with open('out.data', 'wb', buffering=0) as f:
    def lines(who, n):
        for i in range(n):
            f.write(b'%s %d\n' % (who, i))
    lines(b'parent', 200)
    child = subprocess.Popen(['sh', '-c', 'for i in $(seq 200); do echo child $i; done'],
                             stdout=f)
    lines(b'together', 300)
    print(child.wait())
    lines(b'parent again', 200)
    child = subprocess.Popen([sys.executable, '-c',
        'import os\nfor i in range(200): os.write(1, b"python %d\\n" % i)'], stdout=f)
    print(child.wait())
    print(os.system('echo by system >&%d' % f.fileno()))     # closed by then: close-on-exec
    os.set_inheritable(f.fileno(), True)
    print(os.system('echo by system >&%d' % f.fileno()))
    lines(b'last', 100)
    print(os.fstat(f.fileno()).st_size == f.tell())
with open('out.data', 'rb') as f:
    text = f.read()
assert b'\0' not in text
with open('sorted', 'wb') as f:
    f.write(b'\n'.join(sorted(text.split(b'\n'))))
os.unlink('out.data')
END_OF_PYTHON

cat >"$SCRATCH/shell.sh" <<'END_OF_BASH'
exec 5>out.data
echo shell >&5
for i in 1 2 3; do /bin/echo "child $i" >&5; echo "shell $i" >&5; done
(for i in $(seq 50); do echo "subshell $i"; done >&5) & wait
seq 20 | while read -r i; do echo "pipeline $i" >&5; done
bash -c 'echo "inherited" >&5; exec /bin/echo "by exec" >&5'
echo shell again >&5
exec 5>&-
{ echo a; cat /etc/hostname >/dev/null; sh -c 'echo b; (echo c)'; echo d; } >more.data
exec >>more.data; echo e; /bin/echo f; exec /bin/echo g
END_OF_BASH

mixed_threads() {
	rm -f "$MNT"/*.data
	managed "$1" '*.data' "$HELPERS/thread-mix" "$SECONDS_OF_THREADS" "$MNT"
}

shared() {
	local mode way

	for mode in $MODES; do
		for way in fork vfork posix_spawn system popen daemon alarm; do
			shared_by "$1" "$mode" $way
		done
		check "$1, mode $mode: 8 threads" mixed_threads "$mode"
		rm -f "$MNT"/*.data "$MNT/acknowledged"
	done
	differential "$1: python's Popen(stdout=file) and system" '*.data' \
		"$PYTHON" "$SCRATCH/popen.py"
	differential "$1: a shell passes its descriptor on" '*.data' bash "$SCRATCH/shell.sh"
}

for_each_filesystem shared
done_testing
