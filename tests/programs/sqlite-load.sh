#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sqlite3 under a long random load: savepoints, vacuum, checkpoints, processes side by side, some
# of them killed. The database stays whole, says the same, and keeps what was committed.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/common.sh"

need sqlite3 awk
STEPS=${PREALLOCATE_TEST_STEPS:-400}
SEED=${PREALLOCATE_TEST_SEED:-$RANDOM}
BUSY=$(patience 60000) # ms that one waits for the other
export BUSY
run_options+=(--prealloc-size 4M)
diag "PREALLOCATE_TEST_SEED=$SEED"

# A random session, the same for every run of it: $1 is the journal, $2 the salt.
session() {
	awk -v journal="$1" -v seed="$((SEED + $2))" -v steps="$STEPS" '
	function upto(n) { return int(rand() * n) + 1 }
	BEGIN {
		srand(seed)
		print ".timeout '"$BUSY"'"
		print "PRAGMA page_size=" 1024 * 2 ^ int(rand() * 4) "; PRAGMA journal_mode=" journal ";"
		print "PRAGMA synchronous=" (rand() < .5 ? "FULL" : "NORMAL") "; PRAGMA cache_size=20;"
		print "PRAGMA wal_autocheckpoint=" upto(100) "; PRAGMA auto_vacuum=" int(rand() * 3) ";"
		print "CREATE TABLE t(n INTEGER PRIMARY KEY, k INT, text BLOB); CREATE INDEX i ON t(k);"
		for (step = 1; step <= steps; step++) {
			dice = rand()
			if (dice < .5)
				print "INSERT INTO t(k, text) VALUES(" upto(1000) ", hex(zeroblob(" upto(1500) ")));"
			else if (dice < .6)
				print "UPDATE t SET text = text || " upto(1e9) ", k = k + 1 WHERE k % 17 = " upto(17) - 1 ";"
			else if (dice < .68)
				print "DELETE FROM t WHERE k % 29 = " upto(29) - 1 ";"
			else if (dice < .78 && !open) {
				print "BEGIN" (rand() < .5 ? " IMMEDIATE;" : ";"); open = 1; saved = 0
			} else if (dice < .84 && open)
				print "SAVEPOINT s" ++saved ";"
			else if (dice < .88 && open && saved)
				print "ROLLBACK TO s" upto(saved) ";"
			else if (dice < .94 && open) {
				print (rand() < .7 ? "COMMIT;" : "ROLLBACK;"); open = 0
			} else if (dice < .945 && !open)
				print "VACUUM;"
			else if (dice < .97 && !open)
				print "PRAGMA wal_checkpoint(" (rand() < .5 ? "TRUNCATE" : "RESTART") ");"
			else if (dice < .975 && !open)
				print "PRAGMA incremental_vacuum(" upto(50) ");"
			else if (dice < .98)
				print "SELECT count(*), sum(k), sum(length(text)) FROM t;"
		}
		if (open)
			print "COMMIT;"
		print "PRAGMA integrity_check; SELECT count(*), sum(k), sum(length(text)) FROM t;"
	}'
}

# ROLLBACK TO undoes the savepoints after it, so that a later name may be gone: both ways say so.
salt=0
for journal in WAL DELETE TRUNCATE PERSIST; do
	session $journal $((salt += 1)) >"$SCRATCH/$journal.sql"
done
cat >"$SCRATCH/random.sh" <<EOF
for journal in WAL DELETE TRUNCATE PERSIST; do
	sqlite3 \$journal.db <"$SCRATCH/\$journal.sql" 2>&1
	sqlite3 \$journal.db .dump | sha256sum
done
# A journal's header holds a nonce; what follows is old content.
rm -f PERSIST.db-journal
EOF

# Numbers, one commit each, by several processes, of which some are killed. A number is printed
# once it is committed.
cat >"$SCRATCH/writer.sh" <<'END_OF_WRITER'
{
	echo ".timeout $BUSY"
	seq "$2" "$3" | sed "s/.*/INSERT INTO t VALUES(&, '$1', hex(zeroblob(& % 700)));\n.print &/"
} | stdbuf -oL sqlite3 -bail "$4"
END_OF_WRITER

survivors() { # MODE JOURNAL
	local mode=$1 database=$MNT/shared.db round i pid steady=()

	rm -f "$MNT"/shared.db* "$SCRATCH"/told.*
	plain sqlite3 "$database" "PRAGMA journal_mode=$2;" \
		'CREATE TABLE t(n INTEGER PRIMARY KEY, who, text);' >/dev/null
	for i in 1 2; do
		managed_exec "$mode" 'shared.db*' bash "$SCRATCH/writer.sh" "steady$i" \
			$((i * 1000000)) $((i * 1000000 + 60)) "$database" >"$SCRATCH/told.$i" &
		steady+=($!)
	done
	for round in 3 4 5; do
		# Its own process group: the whole pipeline is to be killed.
		managed_exec "$mode" 'shared.db*' setsid bash "$SCRATCH/writer.sh" killed \
			$((round * 1000000)) $((round * 1000000 + 99999)) "$database" \
			>"$SCRATCH/told.$round" &
		pid=$!
		wait_until 20 test -s "$SCRATCH/told.$round"
		sleep 0.1
		kill -KILL -- "-$pid"
		wait "$pid" 2>/dev/null
	done
	wait "${steady[@]}"
	# A killed process that is still in its last fsync holds its locks for so long.
	managed "$mode" 'shared.db*' sqlite3 -cmd ".timeout $BUSY" "$database" \
		'PRAGMA integrity_check;' >"$SCRATCH/sound"
	plain sqlite3 -cmd ".timeout $BUSY" "$database" 'SELECT n FROM t;' | LC_ALL=C sort >"$SCRATCH/there"
	LC_ALL=C sort "$SCRATCH"/told.* >"$SCRATCH/all-told"
	echo "$(wc -l <"$SCRATCH/all-told") told, $(wc -l <"$SCRATCH/there") there"
	cat "$SCRATCH/sound"
	# The steady ones came through; what the killed ones were told to be committed is there.
	[ "$(cat "$SCRATCH/sound")" = ok ] &&
		[ "$(cat "$SCRATCH"/told.[12] | wc -l)" -eq 122 ] &&
		[ -z "$(LC_ALL=C comm -23 "$SCRATCH/all-told" "$SCRATCH/there")" ]
}

loads() {
	local mode journal

	differential_used "$1: a random load" '*.db*' bash "$SCRATCH/random.sh"
	for mode in $MODES; do
		for journal in WAL DELETE; do
			check "$1, $mode: processes side by side, some killed, $journal" \
				survivors "$mode" $journal
		done
	done
}

rotate "ext4:zero xfs:keep btrfs:zero tmpfs:zero" loads
done_testing
