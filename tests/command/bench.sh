#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# preallocate bench: its table, its JSON, its rule, and that it leaves nothing behind.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
need python3

cd "$SCRATCH" || exit
mkdir d
printf 'precious\n' >d/precious
touch file

says "without a directory" 125 "bench needs the path of one directory; see preallocate help bench" bench
says "with two" 125 "bench needs the path of one directory; see preallocate help bench" bench d d
for seconds in 0 -1 x 1x '' nan inf 1e9; do
	says "--seconds=$seconds" 125 "--seconds=$seconds: no such duration; write a number from 0.1 to 3600" \
		bench --seconds="$seconds" d
done
says "a directory that isn't there" 1 \
	"none: can't be looked at: No such file or directory; name a directory that is there" bench none
says "a file" 1 "file: is no directory; name the one where the files will be" bench file
if nobody_comes_here; then
	cp "$PREALLOCATE" own
	chmod 755 own d
	is "a directory of somebody else" "$(as_nobody ./own bench d 2>&1)" "preallocate: d: no file can be made \
there: Permission denied; name a directory that you may write to"
	rm own
else
	skip "a directory of somebody else" "needs root and an open directory"
fi
if [ "$(id -u)" -eq 0 ] && filesystem_mount "$PWD/small" mount -t tmpfs -o size=64m preallocate-test; then
	says "too little space" 1 "small: too little space, 64 MiB are free: the benchmark needs about 259 MiB, \
which it gives back; free some, or name a directory on another disk" bench small
	mount -o remount,ro small
	says "a read-only filesystem" 1 "small: no file can be made there: Read-only file system; name a \
directory that you may write to" bench small
else
	skip "too little space, a read-only filesystem" "${no_filesystem:-needs root}"
fi

left() {
	(cd d && find . | LC_ALL=C sort | tr '\n' ' ')
	cat d/precious
}

"$PREALLOCATE" bench --seconds=0.1 d >out 2>err </dev/null
status=$?
if grep -q 'too little space' err; then
	skip "the benchmark" "$(cat err)"
	done_testing
fi
is "it succeeds, silent on standard error that is no terminal" "$status, $(cat err)" "0, "
number='  *[0-9]+(\.[0-9])?'
cell="$number +[0-9]+\.[0-9]{2}x"
is "the table" "$(sed -E "s/^(100 B|4 KiB|16 KiB) *$number($cell){4}\$/\1: all/; /^The /,/^$/d; s/, Linux [^:]*:/, Linux:/
	s/^[^,]*, //; s/^nothing gains here: no rule$/END/
	s/^the rule for such files here: \*\.log mode=(keep|zero|write|auto)$/END/" out |
	grep -v '^tmpfs is memory\|^$')" "\
Linux: records per second, each with fdatasync; medians of 5, and times plain
record    plain     keep             zero            write             auto        
100 B: all
4 KiB: all
16 KiB: all
END"
is "the columns are aligned" "$(grep -E '^(record|100 B|4 KiB|16 KiB)' out | awk '{ print length }' | uniq)" 83
is "nothing is left behind, nothing else touched" "$(left)" ". ./precious precious"

# What the caller's own programs are started in isn't what is measured.
cat >check.py <<'END'
import json, os, sys
report = json.load(open(sys.argv[1]))
assert report["directory"] == "d" and report["kernel"] == os.uname().release, report
assert report["filesystem"] and report["seconds_per_round"] > 0, report
cells = {(r["record_bytes"], r["mode"]): r for r in report["results"]}
modes = ["plain", "keep", "zero", "write", "auto"]
assert list(cells) == [(b, m) for b in (100, 4096, 16384) for m in modes], cells.keys()
for (size, mode), cell in cells.items():
    rounds = cell["rounds"]
    assert len(rounds) == 5 and min(rounds) > 0, cell
    assert abs(cell["records_per_second"] - sorted(rounds)[2]) < 0.01, cell
    ratio = cell["records_per_second"] / cells[size, "plain"]["records_per_second"]
    assert abs(cell["times_plain"] - ratio) < 0.001, cell
    if mode == "plain":
        assert cell["extended_bytes"] == 0 and cell["kept_bytes"] == 0, cell
if report["gains"]:
    assert report["rule"] == "*.log mode=" + report["mode"] and report["mode"] in modes[1:], report
else:
    assert "rule" not in report, report
END
cat >extended.py <<'END'
import json, sys
for cell in json.load(open(sys.argv[1]))["results"]:
    if cell["mode"] == "zero":
        assert cell["extended_bytes"] >= 5 * (128 << 20), cell
    if cell["mode"] == "write":
        assert cell["extended_bytes"] >= 5 << 19, cell
    # How far depends on how much a disk that may be slow has taken in this time.
    if cell["mode"] == "auto":
        assert cell["extended_bytes"] > 0, cell
    if cell["mode"] == "keep":
        assert cell["kept_bytes"] >= 5 << 20 and cell["extended_bytes"] == 0, cell
END
PREALLOCATE_RULES='* mode=off' PREALLOCATE_REPORT=$PWD/report "$PREALLOCATE" run -m '*' -- \
	"$PREALLOCATE" bench --json --seconds=0.1 d >json 2>err </dev/null
is "--json" "$?, $(cat err)" "0, "
check "it is one JSON object, with every figure" python3 check.py json
is "nothing is reported of what it makes" "$(grep -s records report)" ""
if "$PREALLOCATE" match -m '*' --mode=auto d/records | grep -q 'mode auto: on'; then
	check "the files were extended as their mode has it" python3 extended.py json
else
	skip "the files were extended as their mode has it" "this filesystem doesn't do that"
fi

# Its file is there, so a worker is under way; then the signal.
cat >interrupt.py <<'END'
import glob, os, signal, subprocess, sys, time
wanted = getattr(signal, sys.argv[2])
signal.signal(wanted, signal.SIG_DFL)
bench = subprocess.Popen([sys.argv[1], "bench", "--seconds=1500", "d"], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
deadline = time.monotonic() + 30 * int(os.environ["PREALLOCATE_TEST_PATIENCE"])
while not glob.glob("d/preallocate-bench.*/records"):
    assert bench.poll() is None and time.monotonic() < deadline
    time.sleep(0.01)
begun = time.monotonic()
bench.send_signal(wanted)
output = bench.communicate()[0]
assert bench.returncode == -wanted and output == b"", (bench.returncode, output)
assert time.monotonic() - begun < 15, "a worker has 20 s"
for process in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        words = open(process, "rb").read().split(b"\0")
    except OSError:
        continue
    assert not (b"--worker" in words and b"d/preallocate" in words[-2]), words
END
for name in SIGINT SIGTERM SIGHUP; do
	check "$name ends it, as any program" python3 interrupt.py "$PREALLOCATE" "$name"
	is "$name: nothing is left behind" "$(left)" ". ./precious precious"
done
ignored() {
	(trap '' HUP; exec "$PREALLOCATE" bench --seconds=0.1 d) >out &
	local bench=$!
	wait_until 20 compgen -G 'd/preallocate-bench.*' || return
	kill -HUP "$bench"
	wait "$bench" && grep -q '^16 KiB' out
}
check "a signal that is ignored stays so" ignored

cat >terminal.py <<'END'
import os, pty, re, subprocess, sys
leader, follower = pty.openpty()
bench = subprocess.Popen([sys.argv[1], "bench", "--seconds=2", "d"], stdin=follower, stdout=follower,
                         stderr=follower)
os.close(follower)
text = b""
try:
    while True:
        text += os.read(leader, 65536)
except OSError:
    pass
assert bench.wait() == 0
text = text.decode()
assert re.search(r"\rround [1-5] of 5: (100 B|4 KiB|16 KiB), [a-z]+; about [0-9]+ s left", text), text
before, after = text.split("\r\n", 1)
assert re.search(r"\r *\r[^\r]*, Linux", before), before
best = max(float(ratio) for ratio in re.findall(r"([0-9.]+)x", after))
bold = "\033[1m" in after
if os.environ.get("NO_COLOR") or best < 1:
    assert not bold, after
elif best > 1:
    assert bold, after
END
check "progress on a terminal, gone in the end; the best is bold" \
	env -u NO_COLOR TERM=xterm python3 terminal.py "$PREALLOCATE"
check "NO_COLOR: nothing is bold" env NO_COLOR=1 TERM=xterm python3 terminal.py "$PREALLOCATE"
is "in the end nothing is left behind" "$(left)" ". ./precious precious"
done_testing
