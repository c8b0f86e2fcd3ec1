#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rsyslogd writes every message once into a managed log, however often that is rotated.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/common.sh"

PATH=$PATH:/usr/sbin
need rsyslogd logger

MESSAGES=${PREALLOCATE_TEST_MESSAGES:-3000}
daemon=

end_daemon() {
	[ -z "$daemon" ] || {
		kill "-${1:-TERM}" "$daemon" 2>/dev/null
		wait "$daemon" 2>/dev/null
	}
	daemon=
}
at_exit end_daemon KILL

# Ways in that end inside this test: a socket as syslog(3) uses it, a stream, a followed file.
configuration() {
	cat <<END
global(workDirectory="$SCRATCH/rsyslog")
main_queue(queue.size="100000")
module(load="imuxsock" SysSock.Use="off")
module(load="imptcp")
module(load="imfile" mode="inotify")
input(type="imuxsock" Socket="$SCRATCH/datagrams" RateLimit.Interval="0")
input(type="imptcp" Path="$SCRATCH/stream")
input(type="imfile" File="$MNT/followed" Tag="followed" addMetadata="off")
template(name="bare" type="string" string="%msg:::drop-last-lf%\n")
action(type="omfile" File="$MNT/messages.log" Template="bare" $1)
END
}

# What the log and its predecessors hold. One of the ways in leaves the sender's name before it.
lines() {
	cat "$MNT"/messages.log* | sed 's/^ *//; s/^root: //' | LC_ALL=C sort
}

expected() {
	local way

	for way in datagram stream followed; do
		seq -f "$way-%.0f-$(printf '%0100d' 7)" 1 "$MESSAGES"
	done | LC_ALL=C sort
}

all_there() {
	[ "$(cat "$MNT"/messages.log* | wc -l)" -ge $((3 * MESSAGES)) ]
}

# The last rotated file, and the log that HUP made rsyslogd open in its place.
rotated() {
	[ -s "$MNT/messages.log" ]
}

send() { # WAY SOCKET-OPTIONS...
	local way=$1
	shift
	seq -f "$way-%.0f-$(printf '%0100d' 7)" 1 "$MESSAGES" | logger --rfc3164 "$@"
}

follow() {
	local i

	for ((i = 0; i < MESSAGES; i += 100)); do
		seq -f "followed-%.0f-$(printf '%0100d' 7)" $((i + 1)) \
			$((i + 100 < MESSAGES ? i + 100 : MESSAGES)) >>"$MNT/followed"
		sleep 0.01
	done
}

is_listening() {
	[ -S "$SCRATCH/datagrams" ] && [ -S "$SCRATCH/stream" ]
}

received() { # TYPE MODE DESCRIPTION omfile-options
	local what="$1, $2, $3" i senders

	rm -rf "$SCRATCH/rsyslog" "$SCRATCH/rsyslog.pid" "${MNT:?}"/*
	mkdir "$SCRATCH/rsyslog"
	: >"$MNT/followed"
	configuration "$4" >"$SCRATCH/rsyslog.conf"
	new_report
	if [ "$2" = plain ]; then
		exec rsyslogd -n -f "$SCRATCH/rsyslog.conf" -i "$SCRATCH/rsyslog.pid" &
	else
		managed_exec "$2" 'messages.log' \
			rsyslogd -n -f "$SCRATCH/rsyslog.conf" -i "$SCRATCH/rsyslog.pid" &
	fi >"$SCRATCH/rsyslog.out" 2>&1
	daemon=$!
	check "$what: rsyslogd listens" wait_until 20 is_listening || {
		diag "$(cat "$SCRATCH/rsyslog.out")"
		end_daemon KILL
		return
	}
	send datagram --socket "$SCRATCH/datagrams" &
	senders=$!
	send stream --tcp --socket "$SCRATCH/stream" --octet-count &
	senders+=" $!"
	follow &
	senders+=" $!"
	for i in 1 2 3 4; do
		wait_until 10 rotated
		mv "$MNT/messages.log" "$MNT/messages.log.$i"
		kill -HUP "$daemon"
	done
	# shellcheck disable=SC2086 # pids
	wait $senders
	check "$what: it has all messages" wait_until 30 all_there
	end_daemon TERM
	check "$what: every message once" diff -a <(lines) <(expected)
	check_not "$what: no NUL" grep -qaP '\0' "$MNT"/messages.log*
	# It opens its files O_WRONLY: on tmpfs such a file's tail can't be proved empty, so it
	# works in keep.
	case $1:$2 in
	*:plain) ;;
	tmpfs:*) check_used "$what: the library was at work" keep messages.log ;;
	*) check_used "$what: the library was at work" "$2" messages.log ;;
	esac
	rm -f "$SCRATCH/datagrams" "$SCRATCH/stream"
}

logs() {
	local mode

	for mode in $MODES; do
		received "$1" "$mode" 'buffered' ''
		received "$1" "$mode" 'synced' 'sync="on"'
		received "$1" "$mode" 'by its own thread' 'asyncWriting="on" ioBufferSize="4k"'
	done
}

rotate "ext4:plain ext4:zero xfs:keep btrfs:zero tmpfs:zero" logs
done_testing
