#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# A guardian has the identity of the program that it serves, as long as it serves it, and does nothing that
# its asker couldn't do. Each attack is made on it as if it hadn't been thought of.

# In a process namespace of its own every guardian that is seen belongs to this test.
[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || ! unshare --pid --fork --mount-proc true 2>/dev/null ||
	PREALLOCATE_TEST_NAMESPACE=1 exec unshare --pid --fork --mount-proc --kill-child bash "$0"
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

[ -n "${PREALLOCATE_TEST_NAMESPACE:-}" ] || skip_all "a process namespace needs root"
library_left_out && skip_all "the library is left out"
need setpriv getfattr
with_filesystem ext4 || skip_all "$no_filesystem"

# Installed as it would be: nobody can reach and execute it, and not read the guardian.
HOME_OF_IT=$MNT/installed
mkdir -p "$HOME_OF_IT/lib" "$HOME_OF_IT/libexec"
chmod 755 "$MNT" "$HOME_OF_IT"
chmod a+x "$SCRATCH"
cp "$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so" "$HOME_OF_IT/lib/"
cp "$PREALLOCATE_BUILDDIR/preallocate-guardian" "$HOME_OF_IT/libexec/"
cp "$HELPERS/turncoat" "$HOME_OF_IT/"
chmod 0711 "$HOME_OF_IT/libexec/preallocate-guardian"
LIBRARY=$HOME_OF_IT/lib/libpreallocate.so
GUARDIAN=$HOME_OF_IT/libexec/preallocate-guardian

turncoat() { # ARGUMENT...
	env "PREALLOCATE_RULES=*.data mode=zero prealloc-size=1M" LD_PRELOAD="$LIBRARY" \
		"$HOME_OF_IT/turncoat" "$@"
}
no_guardian() {
	! grep -lqs '^preallocate-gua' /proc/[0-9]*/comm
}

is "the guardian of the build can be read by its owner alone" \
	"$(stat -c %a "$PREALLOCATE_BUILDDIR/preallocate-guardian")" 711

# --- a root directory that belongs to somebody else ---
trap_root() { # a directory of nobody's, with a guardian at each place where one is looked for
	local place

	rm -rf "$MNT/jail"
	mkdir "$MNT/jail"
	for place in "$GUARDIAN" "$PREALLOCATE_BUILDDIR/preallocate-guardian"; do
		mkdir -p "$MNT/jail${place%/*}"
		printf '#!/bin/sh\necho trapped >/trapped\n' >"$MNT/jail$place"
		chmod 755 "$MNT/jail$place"
	done
	mkdir -p "$MNT/jail${LIBRARY%/*}" "$MNT/jail$PREALLOCATE_BUILDDIR/.libs" "$MNT/jail/proc" "$MNT/jail/bin" "$MNT/jail/lib64" "$MNT/jail/lib/x86_64-linux-gnu"
	cp /bin/dash "$MNT/jail/bin/sh"
	ldd /bin/dash | grep -o '/[^ ]*' | while read -r place; do
		mkdir -p "$MNT/jail${place%/*}"
		cp "$place" "$MNT/jail$place"
	done
	# The trap is set: such a file would run there.
	chroot "$MNT/jail" "$GUARDIAN"
	[ -e "$MNT/jail/trapped" ] || { echo 'the trap does not work'; return 1; }
	rm "$MNT/jail/trapped"
	[ "$1" = root ] || chown -R 65534:65534 "$MNT/jail"
}
springs() { # HOW OWNER
	trap_root "$2" || return
	turncoat "$1" "$MNT/jail.data" "$MNT/jail" || return
	[ ! -e "$MNT/jail/trapped" ]
}
for how in chroot chroot-bare pivot; do
	check "$how: no guardian of another root directory's" springs $how nobody
	check "$how: not even of root's own there" springs $how root
done

# --- a library that was named by a relative path ---
elsewhere() { # a directory of nobody's, in which that path leads to another guardian
	local evil=$MNT/evil

	mkdir -p "$evil/lib" "$evil/libexec" "$evil/.libs"
	cp "$LIBRARY" "$evil/lib/"
	cp "$LIBRARY" "$evil/lib/$2"
	printf '#!/bin/sh\necho trapped >%s/trapped\n' "$evil" | tee "$evil/preallocate-guardian" \
		>"$evil/libexec/preallocate-guardian"
	chmod 755 "$evil/preallocate-guardian" "$evil/libexec/preallocate-guardian"
	chown -R 65534:65534 "$evil"
	rm -f "$MNT/elsewhere.data"
	(cd "$1" && LIBRARY=$2 turncoat chdir "$MNT/elsewhere.data" "$evil/lib") || return
	[ ! -e "$evil/trapped" ]
}
check "no guardian of the working directory's" elsewhere "$HOME_OF_IT/lib" ./libpreallocate.so
mkdir "$HOME_OF_IT/lib/.libs" "$MNT/evil/lib/.libs"
cp "$LIBRARY" "$HOME_OF_IT/lib/.libs/"
cp "$LIBRARY" "$MNT/evil/lib/.libs/"
cp "$MNT/evil/preallocate-guardian" "$MNT/evil/lib/"
check "nor of a build tree there" elsewhere "$HOME_OF_IT/lib" .libs/libpreallocate.so

# --- what may be started ---
refused() { # WHY command...: the program works in mode keep, and says why
	local why=$1
	shift
	"$@" || return
	rm -f "$MNT/plain.data"
	env "PREALLOCATE_RULES=*.data mode=zero" \
		LD_PRELOAD="$LIBRARY" "$HELPERS/outspoken" many "$MNT/plain.data" 1 2>"$SCRATCH/said"
	cat "$SCRATCH/said"
	[ "$(grep -c "no guardian (.*preallocate-guardian: .*$why" "$SCRATCH/said")" -eq 1 ] &&
		[ "$(stat -c %s "$MNT/plain.data")" -eq 140 ]
}
as_it_was() {
	rm -f "$GUARDIAN"
	cp "$PREALLOCATE_BUILDDIR/preallocate-guardian" "$GUARDIAN"
	chown 0:0 "$GUARDIAN"
	chmod 0711 "$GUARDIAN"
}
check "one that others can write" refused "nobody else can write" chmod 0777 "$GUARDIAN"
as_it_was
check "one of somebody else's" refused "nobody else can write" chown 65534 "$GUARDIAN"
as_it_was
replaced_by_directory() { rm "$GUARDIAN"; mkdir "$GUARDIAN"; }
check "a directory" refused "regular file" replaced_by_directory
rmdir "$GUARDIAN"
check "none at all" refused "No such file" true
not_executable() { as_it_was; chmod 0644 "$GUARDIAN"; }
check "one that can't be executed" refused "Permission denied" not_executable
another_program() { rm -f "$GUARDIAN"; cp /bin/true "$GUARDIAN"; }
check "another program" refused "it is no guardian" another_program
# It answers the hello as that of a later version would: the layout of hello and welcome stays for ever.
another_version() {
	rm -f "$GUARDIAN"
	printf '#!%s\n%s\n' "$PYTHON" "import socket, struct
s = socket.socket(fileno=3)
s.recv(4096)
s.send(struct.pack('Ii', 2, 0))
s.recv(1)" >"$GUARDIAN"
	chmod 755 "$GUARDIAN"
}
check "one of another version" refused "another version" another_version
short_welcome() { another_version; sed -i "s/'Ii', 2, 0/'I', 1/" "$GUARDIAN"; }
check "one whose welcome is too short" refused "another version" short_welcome
long_welcome() { another_version; sed -i "s/'Ii', 2, 0/'IiI', 1, 0, 0/" "$GUARDIAN"; }
check "one whose welcome is too long" refused "another version" long_welcome
silent() { another_version; sed -i 's/^s.send.*/import time; time.sleep(1000)/' "$GUARDIAN"; }
check "one that says nothing" refused "timed out" silent
no_python() { ! grep -ls '/dev/fd/[4]' /proc/[0-9]*/cmdline; } # what a script's interpreter is given
check "it isn't left behind" wait_until 3 no_python
as_it_was

# --- another user ---
becomes() { # HOW ARGUMENT...: the same transcript as without the library, and no guardian of the wrong user
	local how=$1
	shift
	rm -f "$MNT/a.data"
	"$HOME_OF_IT/turncoat" "$how" "$MNT/a.data" "$@" >"$SCRATCH/plain" 2>&1
	echo "status $?" >>"$SCRATCH/plain"
	rm -f "$MNT/a.data"
	turncoat "$how" "$MNT/a.data" "$@" >"$SCRATCH/managed" 2>"$SCRATCH/said"
	echo "status $?" >>"$SCRATCH/managed"
	cat "$SCRATCH/said"
	diff "$SCRATCH/plain" "$SCRATCH/managed" && wait_until 3 no_guardian
}
for how in seteuid setfsuid setresuid; do
	check "$how" becomes $how
	is "$how: no mark is left" "$(getfattr -d -m . "$MNT/a.data" 2>&1 | grep -c preallocate)" 0
done
printf 'secret\n' >"$MNT/root-only"
chmod 600 "$MNT/root-only"
rm -f "$MNT/a.data"
check "nobody, past the library, asks root's guardian" turncoat setresuid-bare "$MNT/a.data" "$MNT/root-only" &&
	is "it has done nothing to root's file meanwhile" "$(tail -n 1 "$SCRATCH/.check")" 7
is "it has done nothing to root's file" "$(getfattr -d -m . "$MNT/root-only" 2>&1)" ""
check "and is gone" wait_until 3 no_guardian

rm -f "$MNT/roots.data"
check "an effective user that was changed past the library" becomes seteuid-bare "$MNT/roots.data"
capless() {
	rm -f "$MNT/a.data"
	turncoat capless "$MNT/a.data" >"$SCRATCH/capabilities" || return
	cat "$SCRATCH/capabilities"
	grep -q '^with a guardian' "$SCRATCH/capabilities" &&
		[ "$(grep -c '^Cap...:.0000000000000000$' "$SCRATCH/capabilities")" -eq 4 ]
}
check "root without capabilities has a guardian without" capless
second_descriptor() {
	rm -f "$MNT/a.data"
	turncoat two "$MNT/a.data" >"$SCRATCH/out" 2>&1
	cat "$SCRATCH/out"
	grep -q '^closed' "$SCRATCH/out"
}
check "a second descriptor in a request isn't kept" second_descriptor

# --- who can't be traced ---
# as nobody: the program file is readable, the guardian's isn't
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}
exposed() { # HOW [WRAPPER]: who may look into the guardian of a program that can't be traced
	local how=$1 pid guardian status=0 line
	shift

	install -d -o 65534 -g 65534 "$MNT/nobodys"
	rm -f "$MNT/nobodys/"*
	install -o 65534 -g 65534 -m 0644 /dev/null "$MNT/nobodys/a.data"
	install -o 65534 -g 65534 -m 0644 /dev/null "$MNT/nobodys/a.data.second.data"
	mkfifo "$SCRATCH/hold"
	"$@" env "PREALLOCATE_RULES=*.data mode=zero" LD_PRELOAD="$LIBRARY" \
		"$HOME_OF_IT/turncoat" "$how" "$MNT/nobodys/a.data" \
		<"$SCRATCH/hold" >"$SCRATCH/pids" 2>"$SCRATCH/said" &
	exec 8>"$SCRATCH/hold"
	wait_until 10 test -s "$SCRATCH/pids"
	read -r pid guardian <"$SCRATCH/pids"
	cat "$SCRATCH/said" "$SCRATCH/pids"
	[ "$guardian" -gt 0 ] || { echo 'there is none'; status=1; }
	for line in "$pid" "$guardian"; do
		[ "$line" -gt 0 ] || continue
		if as_nobody readlink "/proc/$line/fd/3" || as_nobody cat "/proc/$line/environ" ||
			as_nobody "$PYTHON" -c 'import os, sys, ctypes
fd = os.pidfd_open(int(sys.argv[1]))
sys.exit(ctypes.CDLL(None).syscall(438, fd, 3, 0) < 0)' "$line"; then
			echo "$line can be robbed"
			status=1
		fi
	done
	exec 8>&-
	wait $! || { echo 'the program has failed'; status=1; }
	rm "$SCRATCH/hold"
	return $status
}
has_none() { # HOW [WRAPPER]: nor is anything exposed
	! exposed "$@" >"$SCRATCH/out" 2>&1
	cat "$SCRATCH/out"
	grep -q 'there is none' "$SCRATCH/out" && ! grep -qE 'robbed|failed' "$SCRATCH/out"
}
check "a program that can't be traced has a guardian that can't" exposed undumpable as_nobody
check "one that sees to it past the library, from its next file on" exposed undumpable-bare as_nobody
readable_one() {
	chmod 0755 "$GUARDIAN"
	has_none undumpable as_nobody
}
check "where its file can be read there is none" readable_one
chmod 0711 "$GUARDIAN"
# CAP_DAC_OVERRIDE reads any file, and doesn't outlive execve(2).
check "nor where it can be read by a capability" has_none keepcaps
check "nor for capabilities that it wouldn't have" has_none keepcaps-dumpable

# --- one that doesn't answer ---
stopped() {
	local pid status

	turncoat stopped "$MNT/stopped.data" >"$SCRATCH/out" 2>&1 &
	pid=$!
	wait $pid
	status=$?
	cat "$SCRATCH/out"
	[ $status -eq 0 ]
}
# Whose program has become another user behind the library's back can't be ended by it.
check "a guardian that is stopped, and may not be sent a signal, holds nobody up for ever" stopped
is "the file has its mark" "$(getfattr -d -m . "$MNT/stopped.data" 2>/dev/null | grep -c user.preallocate)" 1
terminated() {
	local pid status

	env "PREALLOCATE_RULES=*.data mode=zero prealloc-size=1M" LD_PRELOAD="$LIBRARY" \
		"$HOME_OF_IT/turncoat" stopped "$MNT/stopped2.data" >"$SCRATCH/out" 2>&1 &
	pid=$!
	wait_until 10 grep -q closing "$SCRATCH/out"
	kill -TERM "$pid" 2>/dev/null
	wait $pid
	status=$?
	[ $status -eq 143 ] || [ $status -eq 0 ]
}
check "SIGTERM ends a program that waits for one" terminated
grep -ls '^preallocate-gua' /proc/[0-9]*/comm | while IFS=/ read -r _ _ pid _; do
	kill -KILL "$pid"
done
check "recovery finds the end" "$PREALLOCATE" recover "$MNT"
is "of the stopped one's file" "$(stat -c %s "$MNT/stopped.data")" 1280
done_testing
