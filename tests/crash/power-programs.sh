#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # what the sourced files set and use
# The power fails under databases. On the recovered filesystem each starts again, and has every write
# that it had acknowledged: redis (appendfsync always), RocksDB (sync), SQLite (WAL and rollback
# journal, synchronous=FULL), PostgreSQL.
#
# PREALLOCATE_TEST_ROUNDS: power losses on each filesystem, in each of two ways (1).

# For lib/power.sh.
[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || ! unshare --mount true 2>/dev/null ||
	PREALLOCATE_TEST_NAMESPACE=1 exec unshare --mount bash "$0"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/../lib/cgroup.sh"
. "$(dirname "$0")/../lib/recovery.sh"
. "$(dirname "$0")/../lib/power.sh"

for directory in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
	PATH=$directory:$PATH
done
ROUNDS=${PREALLOCATE_TEST_ROUNDS:-1}
HERE=$(cd "$(dirname "$0")" && pwd)
CLIENTS=3
acknowledged=0
losses=0

[ -n "$PYTHON" ] || skip_all 'python3 is not installed'
new_group || skip_all "a control group that can be killed can't be made here"

programs=()
command -v redis-server >/dev/null && programs+=(redis)
command -v db_bench >/dev/null && command -v ldb >/dev/null && programs+=(rocksdb)
"$PYTHON" -c 'import sqlite3' 2>/dev/null && programs+=(sqlite)
for program in initdb postgres psql pg_isready setpriv; do
	command -v $program >/dev/null || without_postgres=1
done
id postgres >/dev/null 2>&1 || without_postgres=1
[ -n "${without_postgres:-}" ] || programs+=(postgres)
[ ${#programs[@]} -gt 0 ] || skip_all 'no database is installed'
diag "${programs[*]}"

# PostgreSQL runs as another user, who need not be able to read the build tree.
chmod 755 "$SCRATCH"
mkdir -p "$SCRATCH/built/.libs" "$SCRATCH/socket" "$SCRATCH/acks"
chmod 777 "$SCRATCH/socket" "$SCRATCH/acks"
library_left_out || {
	cp "$PREALLOCATE" "$PREALLOCATE_BUILDDIR/preallocate-guardian" "$SCRATCH/built"
	cp "$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so" "$SCRATCH/built/.libs"
	PREALLOCATE=$SCRATCH/built/preallocate
}
export PGHOST=$SCRATCH/socket PGUSER=postgres PGDATABASE=postgres
as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)

# Their start isn't what is tested: one cluster, copied.
make_cluster() {
	install -d -o postgres -g postgres -m 700 "$SCRATCH/cluster"
	(cd / && "${as_postgres[@]}" initdb -D "$SCRATCH/cluster" --auth=trust --data-checksums \
		--wal-segsize=1 --no-locale --encoding=UTF8) >"$SCRATCH/initdb" 2>&1
}
[ -n "${without_postgres:-}" ] || make_cluster || { cat "$SCRATCH/initdb"; exit 99; }

in_background() { # LOG command...
	local log=$1 prefix
	shift

	set_prefix zero '*.aof'
	# Not in $MNT, which must be unmounted; not the shell's job, whose death it would tell of.
	(cd / && in_group "${user[@]}" "${prefix[@]}" "$@") >>"$SCRATCH/$log.log" 2>&1 </dev/null &
	disown
}

client() { # LOG command...: outside of the group, it ends with its server
	"${@:2}" >>"$SCRATCH/$1.log" 2>&1 </dev/null &
	disown
}

redis_starts() {
	in_background redis redis-server --port 0 --unixsocket "$SCRATCH/redis.sock" --dir "$MNT/redis" \
		--appendonly yes --appendfsync always --save '' --daemonize no \
		--auto-aof-rewrite-min-size 200kb
	wait_until 20 redis_answers
}

redis_answers() {
	[ "$(redis-cli -s "$SCRATCH/redis.sock" ping 2>/dev/null)" = PONG ]
}

load_redis() {
	local i

	mkdir "$MNT/redis"
	redis_starts || return
	for ((i = 0; i < CLIENTS; i++)); do
		client redis "$PYTHON" "$HERE/commits.py" redis "$SCRATCH/redis.sock" "$SCRATCH/acks/redis.$i" $i
	done
}

check_redis() {
	local i

	redis_starts || { tail -n 5 "$SCRATCH/redis.log"; return 1; }
	for ((i = 0; i < CLIENTS; i++)); do
		"$PYTHON" "$HERE/commits.py" redis-check "$SCRATCH/redis.sock" \
			"$SCRATCH/acks/redis.$i.before" $i || return
	done
}

# It prints the number of each write when it has returned; keys in order.
load_rocksdb() {
	in_background rocksdb-out sh -c 'exec "$@" 2>"$0"' "$SCRATCH/acks/rocksdb" db_bench \
		--db="$MNT/rocksdb" --wal_dir="$MNT/rocksdb" --benchmarks=fillseq --sync=1 --num=10000000 \
		--value_size=100 --stats_interval=1 --threads=1 --write_buffer_size=200000 --compression_type=none
}

# OPS is what the last whole line says.
check_rocksdb() {
	local ops keys

	ops=$(grep -o '([0-9]*,[0-9]*) ops and' "$SCRATCH/acks/rocksdb.before" | tail -n 1 | sed 's/.*,//;s/).*//')
	"${reader[@]}" ldb --db="$MNT/rocksdb" scan --hex >"$SCRATCH/keys" 2>"$SCRATCH/ldb.err" ||
		{ cat "$SCRATCH/ldb.err"; return 1; }
	keys=$(grep -c '^0x' "$SCRATCH/keys")
	echo "${ops:-0} acknowledged by rocksdb"
	[ "$keys" -ge "${ops:-0}" ] || { echo "$keys keys of $ops are there"; return 1; }
}

load_sqlite() {
	local mode

	for mode in WAL DELETE; do
		in_background sqlite "$PYTHON" "$HERE/commits.py" sqlite "$MNT/$mode.db" "$mode" \
			"$SCRATCH/acks/sqlite.$mode"
	done
}

check_sqlite() {
	local mode

	for mode in WAL DELETE; do
		"${reader[@]}" "$PYTHON" "$HERE/commits.py" sqlite-check "$MNT/$mode.db" \
			"$SCRATCH/acks/sqlite.$mode.before" || return
	done
}

postgres_starts() {
	local user=("${as_postgres[@]}")

	in_background postgres postgres -D "$MNT/cluster" -c listen_addresses= -c shared_buffers=2MB \
		-c "unix_socket_directories=$PGHOST" -c max_wal_size=8MB -c min_wal_size=2MB \
		-c dynamic_shared_memory_type=mmap
	wait_until 30 pg_isready -q
}

query() {
	psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

postgres_client() { # NUMBER
	seq 1000000 | sed "s/.*/INSERT INTO acknowledged VALUES($1, &, repeat('x', & * 37 % 500)); \\\\echo &/" |
		stdbuf -oL psql -XqAt -v ON_ERROR_STOP=1 >"$SCRATCH/acks/postgres.$1"
}

load_postgres() {
	local i

	cp -a "$SCRATCH/cluster" "$MNT/cluster"
	sync -f "$MNT"
	postgres_starts || { tail -n 5 "$SCRATCH/postgres.log"; return 1; }
	query -c 'CREATE TABLE acknowledged(client int, n int, text text, PRIMARY KEY(client, n))'
	for ((i = 0; i < CLIENTS; i++)); do
		client postgres postgres_client $i
	done
}

check_postgres() {
	local i

	rm -f "$MNT/cluster/postmaster.pid"
	postgres_starts || { tail -n 5 "$SCRATCH/postgres.log"; return 1; }
	for ((i = 0; i < CLIENTS; i++)); do
		query -c "SELECT n FROM acknowledged WHERE client = $i" | sort >"$SCRATCH/there"
		sort "$SCRATCH/acks/postgres.$i.before" | grep -x '[0-9]*' >"$SCRATCH/told"
		comm -13 "$SCRATCH/there" "$SCRATCH/told" >"$SCRATCH/lost"
		echo "$(wc -l <"$SCRATCH/told") acknowledged by postgres"
		[ ! -s "$SCRATCH/lost" ] || { head -n 5 "$SCRATCH/lost"; return 1; }
	done
	[ "$(query -c 'SELECT count(text) FROM acknowledged WHERE length(text) <> n * 37 % 500')" = 0 ]
}

some_each() {
	local ack names=()

	for ack in "${programs[@]}"; do
		names+=("$SCRATCH/acks/$ack"*)
	done
	for ack in "${names[@]}"; do
		[ -e "$ack" ] && [ "$(wc -l <"$ack")" -ge 20 ] || return
	done
}

keep_acknowledged() {
	local ack

	for ack in "$SCRATCH"/acks/*; do
		# The last line may be half a number.
		cp "$ack" "$ack.part"
		[ -z "$(tail -c 1 "$ack.part")" ] || sed -i '$d' "$ack.part"
		mv "$ack.part" "$ack.before"
	done
}

programs_lose_power() { # TYPE HOW RECOVERY
	local recovery=$3 program status=0 user=() prefix reader=()

	rm -rf "$SCRATCH"/acks/* "$SCRATCH"/*.log
	power_filesystem "$1" "$2" 1G || return
	run_options=(--prealloc-size 4M -m '*-wal' -m '*-journal' -m '*.db' -m '*.log' -m '*.sst'
		-m 'MANIFEST-*' -m "$MNT/cluster/pg_wal/**" -m "$MNT/cluster/base/**")
	for program in "${programs[@]}"; do
		"load_$program" || { echo "$program does not start"; status=1; }
	done
	wait_until 60 some_each || { echo 'nothing is acknowledged'; wc -l "$SCRATCH"/acks/*; status=1; }
	sleep "0.$((RANDOM % 9))$((RANDOM % 9))"
	keep_acknowledged
	cut_power || return
	power_again || return
	losses=$((losses + 1))
	[ "$recovery" = library ] || recover "$recovery" "$MNT" || { echo "recovery: $?"; status=1; }
	set_prefix zero '*.aof'
	[ "$recovery" != library ] || reader=("${prefix[@]}")
	for program in "${programs[@]}"; do
		"check_$program" >"$SCRATCH/checked" 2>&1 || {
			echo "$program, $recovery:"
			cat "$SCRATCH/checked"
			status=1
		}
		grep acknowledged "$SCRATCH/checked" >>"$SCRATCH/totals"
	done
	kill_group
	power_check >"$SCRATCH/fsck" 2>&1 || { cat "$SCRATCH/fsck"; status=1; }
	return $status
}

losses_on() { # TYPE HOW
	local round ways=(command library)

	power_filesystem "$@" || {
		skip "$1, $2" "$no_filesystem"
		return
	}
	release_filesystem
	for ((round = 0; round < ROUNDS; round++)); do
		check "$1, $2: databases lose no acknowledged write" \
			programs_lose_power "$@" "${ways[losses % 2]}"
		kill_group
		release_filesystem
	done
}

: >"$SCRATCH/totals"
for filesystem in ${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs}; do
	[ "$filesystem" = btrfs ] || losses_on "$filesystem" shutdown
	losses_on "$filesystem" clone
done
diag "$losses power losses; checked afterwards:"
diag "$(awk '{ n[$4] += $1 } END { for (p in n) print p, n[p] }' "$SCRATCH/totals")"
done_testing
