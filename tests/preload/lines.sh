#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# Where the log's and the report's lines go: to standard error while it is what it was at the start, never over
# bytes that are there, and never so that the program waits, is sent a signal or can't go on.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
LINES=$PREALLOCATE_BUILDDIR/tests/preload/lines
LIBRARY=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so
with_filesystem ext4 || skip_all "$no_filesystem"
cd "$MNT" || exit 99

# told ENVIRONMENT... -- HOW: the program under the library; nothing of it takes longer than a minute
told() {
	local settings=()

	while [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	timeout -k 1 60 env "PREALLOCATE_RULES=${RULES-*.dat mode=zero prealloc-size=1M}" \
		PREALLOCATE_LOG=debug "${settings[@]}" LD_PRELOAD="$LIBRARY" "$LINES" "$2"
}

# Twenty times a hundred.
data_are_right() {
	[ "$(tr -d A <"$1" | wc -c) $(wc -c <"$1")" = "0 2000" ]
}

# --- standard error ---

check "standard error: told" told PREALLOCATE_REPORT=stderr -- as-it-is 2>err
told PREALLOCATE_REPORT=stderr -- as-it-is 2>err
check "the report is there" grep -q 'logged.dat: mode zero' err
check "the log is there" grep -q '^preallocate: debug' err

told PREALLOCATE_REPORT=stderr -- database 2>/dev/null
check "a database as descriptor 2: its bytes stay" data_are_right database
rm -f database
told PREALLOCATE_REPORT=stderr -- database 2>&-
check "no standard error at the start: a database's bytes stay" data_are_right database
told PREALLOCATE_REPORT=stderr -- database 2<>database
check "standard error's own file as a database: its bytes stay" data_are_right database
for report in /dev/stderr /dev/fd/2 /proc/self/fd/2; do
	told "PREALLOCATE_REPORT=$report" "PREALLOCATE_LOG_FILE=$report" -- database 2>/dev/null
	check "the name $report: a database's bytes stay" data_are_right database
done
told PREALLOCATE_REPORT=stderr -- reborn 2>database
is "a new file in the place of standard error's stays empty" "$(wc -c <database)" 0

# --- who doesn't read ---


mkfifo fifo full
"$PYTHON" -c 'import os, sys, time
fd = os.open("full", os.O_RDWR | os.O_NONBLOCK)
try:
    while True:
        os.write(fd, b"x" * 4096)
except BlockingIOError:
    pass
os.set_blocking(fd, True)
open("filled", "w")
sys.stdin.read()' < <(sleep 100 & echo $! >sleeper; wait) &
filler=$!
end_filler() { kill "$(cat "$MNT/sleeper")" "$filler"; wait "$filler"; } 2>/dev/null
at_exit end_filler
wait_until 10 test -e filled

for name in fifo full; do
	check "a report to a FIFO that nobody reads ($name)" told "PREALLOCATE_REPORT=$MNT/$name" -- as-it-is
	check "a log to one ($name)" told "PREALLOCATE_LOG_FILE=$MNT/$name" -- as-it-is
done
check "a full pipe as standard error" eval 'told PREALLOCATE_REPORT=stderr -- as-it-is 2<>full'
told PREALLOCATE_REPORT=stderr -- as-it-is 2> >(exec 0<&- && touch closed && exec sleep 1)
is "a broken pipe as standard error: no SIGPIPE" "$?" 0
check "a socket as standard error" "$PYTHON" -c 'import socket, subprocess, sys
a, b = socket.socketpair()
b.setblocking(False)
process = subprocess.run(sys.argv[1:], stderr=b.fileno(), timeout=60)
assert process.returncode == 0
assert b"logged.dat: mode zero" in a.recv(1 << 20)
a.close()
assert subprocess.run(sys.argv[1:], stderr=b.fileno(), timeout=60).returncode == 0
a, b = socket.socketpair()
b.setblocking(False)
try:
    while True:
        b.send(b"x" * 4096)
except BlockingIOError:
    b.setblocking(True)
assert subprocess.run(sys.argv[1:], stderr=b.fileno(), timeout=60).returncode == 0' \
	env "PREALLOCATE_RULES=*.dat mode=zero" PREALLOCATE_LOG=debug PREALLOCATE_REPORT=stderr \
	LD_PRELOAD="$LIBRARY" "$LINES" as-it-is

cat >terminal.py <<'END'
# terminal.py HOW COMMAND...: with a new terminal as standard error
import os, pty, sys, termios
child, terminal = pty.fork()
if child == 0:
    out = os.open('/dev/null', os.O_RDWR)
    os.dup2(out, 0)
    os.dup2(out, 1)
    if sys.argv[1] == 'stopped':
        termios.tcflow(2, termios.TCOOFF)
    os.execvp(sys.argv[2], sys.argv[2:])
# Read only after its end: what it wrote, it wrote without a reader.
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
if sys.argv[1] == 'read':
    assert b'logged.dat: mode zero' in os.read(terminal, 65536)
sys.exit(status if status >= 0 else 97)
END
on_terminal() { # HOW PROGRAM'S-HOW
	timeout -k 1 60 "$PYTHON" terminal.py "$1" env "PREALLOCATE_RULES=*.dat mode=zero" \
		PREALLOCATE_LOG=warn PREALLOCATE_REPORT=stderr LD_PRELOAD="$LIBRARY" "$LINES" "$2"
}
check "a terminal" on_terminal read as-it-is
check "a terminal that is stopped" on_terminal stopped as-it-is
check "a terminal in whose background it is: no SIGTTOU" on_terminal read background

# --- what can't be written ---

check "a log longer than the limit: no SIGXFSZ" told "PREALLOCATE_LOG_FILE=$MNT/long" -- limited
truncate -s 20000 long
check "a log that is longer already: no SIGXFSZ" told "PREALLOCATE_LOG_FILE=$MNT/long" -- limited
mkdir directory
told "PREALLOCATE_REPORT=$MNT/directory" PREALLOCATE_LOG=warn -- as-it-is 2>err
is "a report to a directory: one warning" \
	"$(cat err)" "preallocate: warn: PREALLOCATE_REPORT=$MNT/directory: Is a directory; entries are lost"
told "PREALLOCATE_LOG_FILE=$MNT/directory" -- as-it-is 2>err
is "a log to a directory: one warning, and the lines on standard error" \
	"$(grep -c 'Is a directory' err) $(grep -c 'debug: ' err | awk '{ print ($1 > 0) }')" "1 1"
check "a report to a device" told PREALLOCATE_REPORT=/dev/full -- as-it-is
ln -s nowhere link
told "PREALLOCATE_REPORT=$MNT/link" -- as-it-is 2>/dev/null
check "a report to a symbolic link: where it points" grep -q 'logged.dat: mode zero' nowhere

# --- who may not ask for its number ---

if "$HELPERS/denier" EPERM getpid -- "$(type -P true)" 2>/dev/null; then
	for report in pid pid.json; do
		"$HELPERS/denier" EPERM getpid -- "$(type -P env)" 'PREALLOCATE_RULES=*.dat mode=zero' \
			"PREALLOCATE_REPORT=$MNT/$report" LD_PRELOAD="$LIBRARY" "$LINES" as-it-is
	done
	is "no process id: none is told" "$(cut -c-15 pid) $(cut -c-11 pid.json)" \
		'preallocate[?]: {"pid":null'
else
	skip "no process id: none is told" "no seccomp here"
fi

# --- a rule matches the log ---

rm -f log.dat
RULES='* mode=zero prealloc-size=1M' told "PREALLOCATE_LOG_FILE=$MNT/log.dat" \
	"PREALLOCATE_REPORT=$MNT/report.dat" -- as-it-is
check "a log that a rule matches is none of the program's files" \
	test "$(stat -c %b log.dat)" -le 64 -a "$(grep -cE '(log|report).dat' log.dat)" = 0
# The warning comes where the guardian's memory is made: inside the section.
rm -f log.dat
RULES='* mode=zero' told "PREALLOCATE_LOG_FILE=$MNT/log.dat" -- limited
is "a warning while the guardian is started is written" "$? $(grep -c 'no guardian' log.dat)" "0 1"

end_filler
cd / || exit 99
release_filesystem
done_testing
