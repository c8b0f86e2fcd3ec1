#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sqlite3 leaves the same databases with and without the library, whatever its journal.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need sqlite3

# Every insert commits, so every insert appends to the journal and syncs it.
session() { # JOURNAL COMMITS
	echo "PRAGMA journal_mode=$1; PRAGMA synchronous=FULL;"
	echo 'CREATE TABLE t(n INTEGER PRIMARY KEY, text TEXT);'
	seq 1 "$2" | sed "s/.*/INSERT INTO t VALUES(&, printf('%.*c', & % 1700, 'x'));/"
	echo 'DELETE FROM t WHERE n % 3 = 0; VACUUM;'
	echo 'BEGIN; INSERT INTO t SELECT n + 100000, text FROM t; ROLLBACK;'
	echo 'PRAGMA integrity_check; SELECT count(*), sum(length(text)) FROM t;'
}

for journal in WAL DELETE TRUNCATE PERSIST; do
	session $journal 150 >"$SCRATCH/$journal.sql"
done
cat >"$SCRATCH/all.sh" <<EOF
for journal in WAL DELETE TRUNCATE PERSIST; do
	sqlite3 \$journal.db <"$SCRATCH/\$journal.sql"
	sqlite3 \$journal.db 'PRAGMA integrity_check; SELECT sum(n) FROM t;'
done
# A journal's header holds a nonce; what follows is old content.
rm -f PERSIST.db-journal
EOF

# A writer that is killed leaves its write-ahead log to the next one.
killed() {
	local mode=$1 type=$2 sqlite

	coproc { managed_exec "$mode" '*.db*' sqlite3 "$MNT/killed.db"; }
	sqlite=$!
	printf '%s\n' 'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;' \
		'CREATE TABLE t(n); INSERT INTO t VALUES(1); INSERT INTO t VALUES(2);' \
		'SELECT count(*) FROM t;' >&"${COPROC[1]}"
	# The first answer is the journal's mode.
	read -r -t 10 _ <&"${COPROC[0]}"
	read -r -t 10 _ <&"${COPROC[0]}"
	[ "$mode" != zero ] ||
		check_extended "$type: the write-ahead log is extended" "$MNT/killed.db-wal" 50000
	kill -KILL "$sqlite"
	wait "$sqlite" 2>/dev/null
	is "$type: a killed writer's log is read, mode $mode" \
		"$(plain sqlite3 "$MNT/killed.db" 'PRAGMA integrity_check; SELECT sum(n) FROM t;')" \
		$'ok\n3'
	rm -f "$MNT"/killed.db*
}

databases() {
	local mode

	differential "$1: the same databases" '*.db*' bash "$SCRATCH/all.sh"
	for mode in $MODES; do
		killed "$mode" "$1"
	done
}

for_each_filesystem databases
done_testing
