#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# What a guardian leaves behind: no zombie with a PID 1 that doesn't expect one, nothing that a program's wait(2)
# finds, no file that is still open for writing when its program has been killed.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
unshare --pid --fork --mount-proc true 2>/dev/null || skip_all "a process namespace needs root"
with_filesystem ext4 || skip_all "$no_filesystem"
ROUNDS=$(rounds 20)

# As PID 1: starts programs, waits for each by its id alone, as a container's own program would, and tells of
# what else there is. SIGCHLD as it was: neither caught nor blocked.
cat >"$SCRATCH/init.py" <<'END_OF_PYTHON'
import os, subprocess, sys, time
path, rounds = sys.argv[1], int(sys.argv[2])
for i in range(rounds):
    subprocess.run([sys.executable, "-S", "-E", "-c", """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_APPEND)
for i in range(5): os.write(fd, b"line\\n")
os.close(fd)
""", path], check=True)
time.sleep(0.5)
left = [p for p in os.listdir("/proc") if p.isdigit() and
        "preallocate-gua" in open(f"/proc/{p}/comm").read()]
print("left", len(left), "size", os.stat(path).st_size)
END_OF_PYTHON

# As a program that has started nothing: what its wait(2) says
cat >"$SCRATCH/wait.py" <<'END_OF_PYTHON'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_APPEND)
for i in range(5): os.write(fd, b"line\n")
for options in (0, os.WNOHANG):
    try:
        print(os.waitpid(-1, options))
    except ChildProcessError as e:
        print(e.strerror)
try:
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
except ChildProcessError as e:
    print(e.strerror)
os.close(fd)
END_OF_PYTHON

unexpecting_init() {
	local prefix

	set_prefix zero '*.data'
	rm -f "$MNT/init.data"
	unshare --pid --fork --mount-proc "${prefix[@]}" "$PYTHON" -S -E "$SCRATCH/init.py" "$MNT/init.data" "$ROUNDS" \
		2>"$SCRATCH/said" >"$SCRATCH/init"
	cat "$SCRATCH/said" "$SCRATCH/init"
	[ "$(cat "$SCRATCH/init")" = "left 0 size $((ROUNDS * 25))" ]
}
check "$ROUNDS programs of a PID 1 that doesn't expect orphans leave none" unexpecting_init
is "wait(2) finds nothing" "$(managed zero '*.data' "$PYTHON" -S -E "$SCRATCH/wait.py" "$MNT/wait.data")" \
	"$(plain "$PYTHON" -S -E "$SCRATCH/wait.py" "$MNT/wait.data")"

# Writes an executable, and is killed: it is started as soon as its parent knows.
cat >"$SCRATCH/kill.py" <<'END_OF_PYTHON'
import os, signal, subprocess, sys
path, rounds = sys.argv[1], int(sys.argv[2])
busy = wrong = 0
program = open("/bin/true", "rb").read()
for i in range(rounds):
    if os.path.exists(path): os.unlink(path)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-S", "-E", "-c", """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o755)
data = open("/bin/true", "rb").read()
for at in range(0, len(data), 1000): os.write(fd, data[at:at + 1000])
os.write(int(sys.argv[2]), b"x")
time.sleep(1000)
""", path, str(write)]) if not os.set_inheritable(write, True) else None
    os.close(write)
    os.read(read, 1)
    os.close(read)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    try:
        wrong += subprocess.run([path]).returncode != 0
    except OSError as e:
        busy += e.errno == 26
        wrong += e.errno != 26
print(busy, wrong)
END_OF_PYTHON
busy_ones() { # MODE
	local prefix=()

	[ "$1" = plain ] || set_prefix "$1" '*.data'
	# The library is for the one that is killed alone: its parent would wait for the guardian.
	env PREALLOCATE_TEST=1 "${prefix[@]}" "$PYTHON" -S -E "$SCRATCH/kill.py" "$MNT/program.data" $((ROUNDS * 2))
}
is "without the library an executable can be started at once" "$(busy_ones plain)" "0 0"
read -r busy wrong < <(busy_ones zero)
is "it is whole" "$wrong" 0
check "and not busy: $busy of $((ROUNDS * 2)) times" test "$busy" -le $((ROUNDS / 4))
done_testing
