#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2034 # for run.sh
# Mode auto extends what grows from sync to sync, and nothing else: what becomes of each kind of writer,
# by the report. Mode write writes zeroes where that gains something.
PREALLOCATE_TEST_FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

library_left_out && skip_all "the library is left out"
[ -n "$PYTHON" ] || skip_all "no python3 here"

REPORT=$SCRATCH/report.json
run_options=(--report="$REPORT")

automatic() { # command...
	rm -f "$REPORT"
	managed "$mode" '*.data*' "$@" >"$SCRATCH/output" 2>&1 || { cat "$SCRATCH/output"; return 1; }
}

# Each mode that files were in, and why they weren't extended.
modes() {
	"$PYTHON" -c '
import json, sys
files = [json.loads(line) for line in open(sys.argv[1])]
print(*sorted({(f["mode"] + " " + f["fallback"]).strip() for f in files}), sep=", ")' "$REPORT"
}

appends() { # DESCRIPTION MODES appender-options...
	local what="$1" expected=$2
	shift 2

	rm -f "$SCRATCH/acknowledged" "$MNT"/*.data
	automatic "$HELPERS/appender" "$@" "$SCRATCH/acknowledged" "$MNT/a.data"
	is "$filesystem: $what" "$(modes)" "$expected"
	check "$filesystem: $what: all is there" "$HELPERS/record-check" "$SCRATCH/acknowledged" "$MNT/a.data"
}

# More than an eighth and prealloc-align is never ahead.
stays_close() {
	"$PYTHON" -c '
import json, sys
for line in open(sys.argv[1]):
    f = json.loads(line)
    ahead = f["extended_bytes"] - f["appended_bytes"]
    if ahead > f["appended_bytes"] / 8 + 2 * 1024 * 1024 or f["extensions"] < 3:
        sys.exit(f"{ahead} bytes ahead of {f}")' "$REPORT"
}

# Nor more than a few times what was appended, before it is known to become more.
is_in_proportion() {
	"$PYTHON" -c '
import json, sys
for line in open(sys.argv[1]):
    f = json.loads(line)
    if f["extended_bytes"] > 5 * f["appended_bytes"] + 128 * 1024:
        sys.exit(f"too far ahead: {f}")' "$REPORT"
}

# Its size says nothing of what is to come.
reopens() {
	rm -f "$MNT"/*.data
	truncate -s 64M "$MNT/a.data"
	automatic "$PYTHON" -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_APPEND)
for number in range(20):
    os.write(fd, b"r" * 4096)
    os.fdatasync(fd)' "$MNT/a.data"
}

rotates() {
	automatic timeout "$(patience 60)" "$PREALLOCATE_BUILDDIR/tests/preload/rotate" "$MNT/rotated.data" 20000
}

transactions() { # JOURNAL-MODE
	automatic "$PYTHON" -c '
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=" + sys.argv[2])
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE rows(value BLOB)")
for number in range(200):
    database.execute("INSERT INTO rows VALUES(?)", (b"v" * 200,))' "$MNT/sqlite.data" "$1"
}

journals() {
	"$PYTHON" -c '
import json, sys
files = [json.loads(line) for line in open(sys.argv[1])]
files = [f for f in files if f["path"].endswith("-journal")]
print("journals" if len(files) >= 200 else files, {f["mode"] for f in files})' "$REPORT"
}

database() {
	"$PYTHON" -c '
import json, sys
print(*(f["mode"] for line in open(sys.argv[1]) for f in [json.loads(line)] if f["path"].endswith("sqlite.data")))' \
		"$REPORT"
}

# As a format does that counts its records in a header.
syncs_twice() {
	automatic "$PYTHON" -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for number in range(40):
    os.pwrite(fd, b"r" * 100, 512 + 100 * number)
    os.fdatasync(fd)
    os.pwrite(fd, b"%d" % number, 0)
    os.fdatasync(fd)' "$MNT/twice.data"
}

each_filesystem() {
	local small=zero large=write later='zero write-only'

	local mode=auto written=write

	filesystem=$1
	case $1 in
	btrfs | tmpfs) small='none no-gain-here' large=$small later=$small written=zero ;;
	esac
	appends 'a few synced appends' 'none not-synced-enough' -n 3 -s 100 -y
	appends 'synced appends' "$small" -n 50 -s 100 -y
	appends 'appends to a file that is opened synchronously' "$small" -n 50 -s 100 -Y dsync -m append
	appends 'appends without a sync' 'none not-synced-enough' -n 2000 -s 1000-4000
	check "$1: a signal handler rotates the log" rotates
	appends 'some synced blocks' "$large" -n 20 -s 4096 -y
	check "$1: no more zeroes than they are worth" is_in_proportion
	check "$1: a large file is opened again" reopens
	check "$1: nor there" is_in_proportion
	appends 'large synced appends' "$large" -n 400 -s 8192 -y
	appends 'large appends to a file that is opened synchronously' "$large" -n 400 -s 8192 -Y dsync
	appends 'appends too large to be written twice' "$small" -n 60 -s 262144 -y
	mode='write' appends 'mode write' "$written" -n 50 -s 8192 -y
	appends 'large synced appends, write-only' "$later" -n 400 -s 8192 -y -o
	if [ "$large" = write ]; then
		appends 'a file that grows' "$large" -n 1500 -s 16384 -y -E 4
		check "$1: its size stays close to its data" stays_close
	fi
	check "$1: transactions with a journal each" transactions DELETE
	is "$1: journals are never extended" "$(journals)" "journals {'none'}"
	is "$1: nor is a database that grows now and then" "$(database)" none
	rm -f "$MNT"/sqlite*
	check "$1: records and a header, each synced" syncs_twice
	is "$1: they are extended" "$(modes)" "$small"
}

for_each_filesystem each_filesystem
done_testing
