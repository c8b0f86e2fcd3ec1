#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# redis-server keeps every key in its append-only file, across rewrites, snapshots and death.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need redis-server redis-cli redis-benchmark

server=
# A socket in the scratch directory: no port that another test could have.
socket=$SCRATCH/redis.sock

cli() {
	redis-cli -s "$socket" "$@"
}

end_server() {
	[ -z "$server" ] || {
		kill "-${1:-TERM}" "$server" 2>/dev/null
		wait "$server" 2>/dev/null
	}
	server=
	rm -f "$socket"
}
at_exit end_server KILL

answers() {
	[ "$(timeout "$(patience 2)" redis-cli -s "$socket" ping 2>/dev/null)" = PONG ]
}

start_server() { # MODE, or "plain"
	local run=(managed_exec "$1" '*.aof')

	[ "$1" != plain ] || run=(exec)
	"${run[@]}" redis-server --port 0 --unixsocket "$socket" --dir "$MNT" \
		--appendonly yes --appendfsync always --save '' --auto-aof-rewrite-percentage 0 \
		--daemonize no --enable-debug-command yes >>"$SCRATCH/redis.log" 2>&1 &
	server=$!
	wait_until 10 answers
}

growing_file() {
	find "$MNT/appendonlydir" -name '*.incr.aof' | LC_ALL=C sort -V | tail -n 1
}

# What the file holds, by redis's own count of what it has written to it.
written() {
	cli info persistence | tr -d '\r' | sed -n 's/^aof_current_size://p'
}

load() {
	redis-benchmark -s "$socket" -q -t set,incr,lpush -n "$1" -r 1000 -d 100 -c 4
}

# A child that was forked for a snapshot shares every description until it is gone.
no_child() {
	cli info persistence | tr -d '\r' |
		awk -F: '/^(rdb_bgsave|aof_rewrite)_in_progress/ { n += $2 } END { exit n > 0 }'
}

# Complains about NULs or half a command at the end.
file_is_sound() {
	redis-check-aof "$MNT"/appendonlydir/*.manifest
}

# redis opens it O_WRONLY: on tmpfs such a file's tail can't be proved empty, so it works in keep.
extends() { # TYPE MODE
	[ "$2" = zero ] && [ "$1" != tmpfs ]
}

survive() {
	local type=$1 mode before

	for mode in $MODES; do
		check "$type, $mode: starts" start_server "$mode" || {
			end_server KILL
			continue
		}
		check "$type, $mode: redis-benchmark" load 1000
		cli set settled no >/dev/null
		extends "$type" "$mode" &&
			check_extended "$type: the append-only file is extended" \
			"$(growing_file)" "$(written)"
		cli bgsave >/dev/null
		check "$type, $mode: writes while BGSAVE's child runs" load 500
		check "$type, $mode: the child ends" wait_until 20 no_child
		load 300 >/dev/null
		extends "$type" "$mode" &&
			check_extended "$type: extended again after the child" \
			"$(growing_file)" "$(written)"
		cli bgrewriteaof >/dev/null
		check "$type, $mode: writes while BGREWRITEAOF runs" load 500
		check "$type, $mode: the rewrite ends" wait_until 20 no_child
		check "$type, $mode: writes after it" load 300
		is "$type, $mode: the rewrite succeeded" \
			"$(cli info persistence | grep -c 'aof_last_bgrewrite_status:ok')" 1
		before=$(cli debug digest)
		end_server KILL
		check "$type, $mode: redis-check-aof, after SIGKILL" file_is_sound
		check "$type, $mode: starts again" start_server "$mode" || continue
		is "$type, $mode: every key is there" "$(cli debug digest)" "$before"
		check "$type, $mode: and goes on" load 300
		before=$(cli debug digest)
		end_server TERM
		check "$type, $mode: redis-check-aof, after SIGTERM" file_is_sound
		start_server plain
		is "$type, $mode: every key, read without the library" "$(cli debug digest)" "$before"
		end_server TERM
		rm -rf "$MNT/appendonlydir" "$MNT"/*.rdb
	done
}

for_each_filesystem survive
done_testing
