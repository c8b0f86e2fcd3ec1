#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# PostgreSQL with its write-ahead log and its tables managed loses no commit that it has
# acknowledged, killed whole in the middle of work, and its checksums hold.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/common.sh"

for directory in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
	PATH=$directory:$PATH
done
need initdb postgres psql pgbench pg_checksums pg_amcheck setpriv
[ "$(id -u)" -eq 0 ] || skip_all 'mounting needs root'
id postgres >/dev/null 2>&1 || skip_all 'there is no user postgres, and root is refused'

TRANSACTIONS=${PREALLOCATE_TEST_TRANSACTIONS:-150}
CLIENTS=4

# The server runs as another user, who need not be able to read the build tree.
chmod 755 "$SCRATCH"
mkdir -p "$SCRATCH/built/.libs" "$SCRATCH/socket"
library_left_out || {
	cp "$PREALLOCATE" "$PREALLOCATE_BUILDDIR/preallocate-guardian" "$SCRATCH/built"
	cp "$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so" "$SCRATCH/built/.libs"
	PREALLOCATE=$SCRATCH/built/preallocate
}
chown postgres: "$SCRATCH/socket"

export PGHOST=$SCRATCH/socket PGUSER=postgres PGDATABASE=postgres
as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
server=

# prefix=(the words that go before a server program in MODE)
set_server_prefix() {
	# shellcheck disable=SC2034 # set_prefix reads it
	local run_options=(--prealloc-size 4M "${report_options[@]}" -m "$MNT/data/base/**" \
		-m "$MNT/data/global/**")

	prefix=()
	[ "$1" = plain ] || set_prefix "$1" "$MNT/data/pg_wal/**"
	prefix=("${as_postgres[@]}" "${prefix[@]}")
}

# The postmaster's children first: they would see it die, and clean up.
kill_server() {
	local children

	[ -n "$server" ] || return 0
	kill -STOP "$server"
	children=$(ps -o pid= --ppid "$server")
	# shellcheck disable=SC2086 # pids
	kill -KILL $children "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	server=
}
at_exit kill_server

stop_server() {
	local status

	[ -n "$server" ] || return 1
	kill -INT "$server"
	wait "$server"
	status=$?
	server=
	return $status
}

make_cluster() {
	local prefix

	set_server_prefix "$1"
	# Small segments: many are created, filled with zeroes and renamed.
	(cd / && exec "${prefix[@]}" initdb -D "$MNT/data" --auth=trust --data-checksums \
		--wal-segsize=1 --no-locale --encoding=UTF8)
}

start_server() {
	local prefix

	set_server_prefix "$1"
	# Few buffers, so that tables grow by the backends' own writes.
	(cd / && exec "${prefix[@]}" postgres -D "$MNT/data" -c listen_addresses= \
		-c "unix_socket_directories=$PGHOST" -c shared_buffers=2MB -c max_wal_size=8MB \
		-c min_wal_size=2MB -c checkpoint_timeout=30s -c autovacuum_naptime=1s) \
		>>"$SCRATCH/server.log" 2>&1 &
	server=$!
	wait_until 60 pg_isready -q
}

query() {
	psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

# Each client writes down what it was told to be committed.
client() { # NUMBER COUNT
	seq "$2" | sed "s/.*/INSERT INTO acknowledged VALUES($1, &, repeat('x', & * 37 % 900)); \\\\echo $1|&/" |
		query >"$SCRATCH/client.$1" 2>>"$SCRATCH/client.err"
}

has_lines() {
	[ "$(cat "$SCRATCH"/client.[0-9]* 2>/dev/null | wc -l)" -gt "$1" ]
}

kill_at_work() {
	local i clients=()

	rm -f "$SCRATCH"/client.[0-9]*
	for ((i = 0; i < CLIENTS; i++)); do
		client "$1$i" 100000 &
		clients+=($!)
	done
	pgbench -n -c 2 -T 60 >/dev/null 2>&1 &
	clients+=($!)
	# psql writes what it echoes in blocks of 4 KiB.
	wait_until 60 has_lines 1500
	kill_server
	wait "${clients[@]}"
}

# Nothing that a client was told is missing; each client had at most one commit under way.
none_lost() {
	query -c "SELECT client, n FROM acknowledged WHERE client / 10 = $1" |
		LC_ALL=C sort >"$SCRATCH/there"
	cat "$SCRATCH"/client.[0-9]* | LC_ALL=C sort >"$SCRATCH/told"
	echo "$(wc -l <"$SCRATCH/told") were acknowledged, $(wc -l <"$SCRATCH/there") are there"
	LC_ALL=C comm -13 "$SCRATCH/there" "$SCRATCH/told" >"$SCRATCH/lost"
	head "$SCRATCH/lost"
	[ -s "$SCRATCH/told" ] && [ ! -s "$SCRATCH/lost" ] &&
		[ "$(LC_ALL=C comm -23 "$SCRATCH/there" "$SCRATCH/told" | wc -l)" -le $CLIENTS ]
}

# Every transaction of pgbench adds the same amount to all four tables.
balances() {
	query -c 'SELECT count(*) FROM (SELECT sum(abalance) FROM pgbench_accounts
		UNION SELECT sum(tbalance) FROM pgbench_tellers UNION SELECT sum(bbalance)
		FROM pgbench_branches UNION SELECT coalesce(sum(delta), 0) FROM pgbench_history) AS s'
}

checksums() {
	"${as_postgres[@]}" pg_checksums --check -D "$MNT/data"
}

served() { # TYPE MODE
	local what="$1, $2" round

	rm -rf "$MNT/data"
	install -d -o postgres -g postgres -m 700 "$MNT/data"
	new_report
	check "$what: initdb" make_cluster "$2" || return
	check "$what: starts" start_server "$2" || {
		diag "$(tail -n 20 "$SCRATCH/server.log")"
		kill_server
		return
	}
	query -c 'CREATE TABLE acknowledged(client int, n int, text text, PRIMARY KEY(client, n))'
	check "$what: pgbench fills its tables" pgbench -i -q -s 2
	check "$what: pgbench" pgbench -n -c $CLIENTS -t "$TRANSACTIONS"
	for round in 1 2; do
		kill_at_work $round
		check "$what: starts again after SIGKILL" start_server "$2" || {
			diag "$(tail -n 20 "$SCRATCH/server.log")"
			return
		}
		check "$what: no acknowledged commit is lost" none_lost $round
		is "$what: the balances agree" "$(balances)" 1
	done
	query -c 'VACUUM FULL acknowledged'
	query -c 'DELETE FROM pgbench_history; VACUUM pgbench_history' >/dev/null 2>&1
	check "$what: pg_amcheck" pg_amcheck --install-missing --heapallindexed --all
	check "$what: stops" stop_server
	check "$what: pg_checksums" checksums
	check "$what: starts without the library" start_server plain
	check "$what: no commit is lost there either" none_lost 2
	check "$what: stops again" stop_server
	[ "$2" = plain ] && return
	check_used "$what: the write-ahead log" "$2" pg_wal/
	check_used "$what: the tables" "$2" base/
}

databases() {
	local mode

	for mode in $MODES; do
		served "$1" "$mode"
	done
}

rotate "ext4:plain ext4:zero xfs:keep" databases
done_testing
