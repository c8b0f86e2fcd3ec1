#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# preallocate settle and trim: true sizes, and no blocks behind the end.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/common.sh"
need python3

cd "$SCRATCH" || exit
printf 'hello\n' >plain
mkdir dir
mkfifo fifo

prints "settle is silent about settled files" 0 "" settle plain
check "settle -v isn't" grep -Eq '^plain: was settled, 6 bytes, after [0-9]+\.[0-9]{3} ms$' \
	<("$PREALLOCATE" settle -v plain)
says "settle a directory" 1 "dir: is a directory; only regular files can be settled" settle dir
says "settle a pipe, without waiting for its writer" 1 \
	"fifo: is a pipe; only regular files can be settled" settle fifo
says "settle nothing" 1 "none: can't be opened: No such file or directory" settle none
prints "settle goes on behind a failure" 1 "" settle none plain
is "settle --json, a directory" "$("$PREALLOCATE" settle --json dir 2>/dev/null)" '[
  {"path": "dir", "error": "is a directory; only regular files can be settled"}
]'
is "settle --json" "$("$PREALLOCATE" settle --json plain none 2>/dev/null |
	sed 's/"waited_ns": [0-9]*/"waited_ns": N/')" '[
  {"path": "plain", "size_before": 6, "size": 6, "waited_ns": N},
  {"path": "none", "error": "can'"'"'t be opened", "reason": "No such file or directory"}
]'
# Not UTF-8: alone, in the middle, overlong, a surrogate, above U+10FFFF, cut off.
cat >names.py <<'END'
import json, os, subprocess, sys
names = [b"\xe4 \xc3\xa4\"\\\n\x01\x7f", b"\xa4\xa4", b"\xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80",
         b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xe2\x82",
         "\u00e4\u20ac\U0001f600\U0010ffff".encode()]
for name in names:
    open(name, "w").close()
text = subprocess.run([sys.argv[1], "settle", "--json", *names], stdout=subprocess.PIPE, check=True)
text.stdout.decode()
assert [os.fsencode(entry["path"]) for entry in json.loads(text.stdout)] == names
END
check "JSON is UTF-8 and gives every name back" env PYTHONUTF8=1 python3 names.py "$PREALLOCATE"

# Holds a file extended under a lease, as the guardian does, and cuts it when challenged.
cat >hold.py <<'END'
import fcntl, os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fd = os.open(sys.argv[1], os.O_RDWR)
size = os.fstat(fd).st_size
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.ftruncate(fd, 1 << 20)
print("extended", flush=True)
signal.sigtimedwait([signal.SIGIO], 20 * int(os.environ["PREALLOCATE_TEST_PATIENCE"]))
time.sleep(0.05)
os.ftruncate(fd, size)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
sys.stdin.read()
END
extended() {
	grep -q extended hold.out 2>/dev/null
}
hold() {
	rm -f hold.out
	mkfifo -m 600 end 2>/dev/null
	python3 hold.py "$1" <end >hold.out &
	holder=$!
	exec 3>end
	wait_until 20 extended
}
let_go() {
	exec 3>&-
	wait "$holder"
}

if python3 -c '
import fcntl, os, sys
fcntl.fcntl(os.open("plain", os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)' 2>/dev/null; then
	hold plain
	prints "settle waits for the true size" 0 "plain: settled, 6 bytes instead of 1048576" settle plain
	let_go
	hold plain
	check "settle -v tells the time" grep -Eq \
		'^plain: settled, 6 bytes instead of 1048576, after [0-9]+\.[0-9]{3} ms$' \
		<("$PREALLOCATE" settle -v plain)
	let_go
	hold plain
	says "trim leaves an open file alone" 1 \
		"plain: somebody has it open (see fuser); trim it when it is closed" trim plain
	is "its size is true" "$(stat -c %s plain)" 6
	let_go
else
	skip "settle waits for the true size" "no leases on this filesystem"
fi

prints "trim says nothing about nothing" 0 "" trim plain
prints "trim -v does" 0 "plain: 0 bytes freed behind its end at 6" trim -v plain
if fallocate -n -l 4M plain 2>/dev/null && [ "$(stat -c %b plain)" -ge 8192 ]; then
	touch -d '2001-02-03 04:05:06.123456789' plain
	blocks=$(stat -c %b plain)
	"$PREALLOCATE" trim plain >out
	is "trim frees the blocks and says how many" "$(cat out)" \
		"plain: $(((blocks - $(stat -c %b plain)) * 512)) bytes freed behind its end at 6"
	check "hardly any is left" test "$(stat -c %b plain)" -le 128
	is "the content stays" "$(cat plain)" hello
	is "the time too" "$(stat -c %y plain | cut -c1-29)" "2001-02-03 04:05:06.123456789"
	fallocate -n -l 4M plain
	check "trim --json" grep -Eq '^  \{"path": "plain", "size": 6, "freed": 4[0-9]{6}\}$' \
		<("$PREALLOCATE" trim --json plain)
	fallocate -n -l 4M plain
	exec 3<plain
	says "trim leaves a file that somebody reads" 1 \
		"plain: somebody has it open (see fuser); trim it when it is closed" trim plain
	exec 3<&-
	check "with its blocks" test "$(stat -c %b plain)" -ge 8192
	cat >crowd.py <<'END'
import os, subprocess, sys, threading
stop = False
def open_and_close():
    while not stop:
        os.close(os.open("plain", os.O_RDONLY))
opener = threading.Thread(target=open_and_close)
opener.start()
statuses = {subprocess.run([sys.argv[1], "trim", "plain"], stderr=subprocess.DEVNULL).returncode
            for i in range(200)}
stop = True
opener.join()
assert statuses <= {0, 1}, statuses
END
	check "openers that come meanwhile don't end trim" python3 crowd.py "$PREALLOCATE"
	chmod 4755 plain
	says "trim spares privileges" 1 "plain: carries privileges that trimming would take away; copy it \
instead" trim plain
	is "all of them" "$(stat -c %a plain)" 4755
	chmod 644 plain
	if nobody_comes_here; then
		cp "$PREALLOCATE" own
		chmod 755 own
		chmod 666 plain
		is "trim somebody else's file" "$(as_nobody ./own trim plain 2>&1)" "preallocate: plain: belongs to another user; run \
preallocate trim as its owner or as root"
	else
		skip "trim somebody else's file" "needs root and an open directory"
	fi
else
	skip "trim frees blocks" "this filesystem keeps none behind the end"
fi
says "trim a directory" 1 "dir: is no regular file, and only those have blocks to trim" trim dir
says "trim a pipe" 1 "fifo: is no regular file, and only those have blocks to trim" trim fifo
says "trim nothing" 1 "none: can't be opened: No such file or directory" trim none
is "trim --json, a failure" "$("$PREALLOCATE" trim --json none dir 2>/dev/null)" '[
  {"path": "none", "error": "can'"'"'t be opened", "reason": "No such file or directory"},
  {"path": "dir", "error": "is no regular file, and only those have blocks to trim"}
]'
if [ "$(id -u)" -eq 0 ]; then
	says "trim where leases prove nothing" 1 "/proc/sys/vm/laptop_mode: is on a filesystem where a lease \
is no proof that nobody else has it open; copy it instead" trim /proc/sys/vm/laptop_mode
fi
done_testing
