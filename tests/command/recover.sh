#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2034,SC2154 # what the sourced files use and set
# preallocate recover: what it finds, says and cuts, and what it leaves alone, on files that a program
# and its guardian have left extended, killed at the same instant.
#
# PREALLOCATE_TEST_TREE: how many files two of them recover at once (300).
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/common.sh"
need python3 setfattr getfattr

FILESYSTEMS=${PREALLOCATE_TEST_FILESYSTEMS:-ext4 xfs btrfs tmpfs}
TREE=${PREALLOCATE_TEST_TREE:-300}

# KIND NAME...: 3000 bytes of text; 6000 that end in zeroes, synced or not. Then it sleeps.
cat >"$SCRATCH/writer.py" <<'END'
import os, sys, time
for kind, name in zip(sys.argv[1::2], map(os.fsencode, sys.argv[2::2])):
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
    for i in range(3):
        os.write(fd, b"x" * 1000 + (b"" if kind == "text" else bytes(1000)))
        if kind == "record":
            os.fdatasync(fd)
print("ready", flush=True)
time.sleep(600)
END

is_ready() {
	grep -q ready "$SCRATCH/ready" 2>/dev/null
}
# $exclusive: how they are alone. In a process namespace of their own: who kills its init kills program and guardian at once.
start_writer() { # KIND NAME...
	rm -f "$SCRATCH/ready"
	unshare --pid --fork --mount-proc --kill-child sh -c '"$@" & wait' - "$PREALLOCATE" run --mode=zero -m '*.data*' \
		--prealloc-size=512k --prealloc-align=512k --idle=600s --exclusive="${exclusive:-lease}" -- \
		python3 "$SCRATCH/writer.py" "$@" >"$SCRATCH/ready" 2>"$SCRATCH/writer.err" &
	writer=$!
	wait_until 60 is_ready
}
kill_writer() {
	kill -KILL "$(cat "/proc/$writer/task/$writer/children")"
	wait "$writer" 2>/dev/null
	return 0
}
is_marked() {
	getfattr -h -n user.preallocate -- "$1" >/dev/null 2>&1
}
none_is_marked() {
	! getfattr -R -h -n user.preallocate -- "$@" 2>/dev/null | grep '^# file'
}
all_are_extended() { # KIND NAME...
	while [ $# -gt 0 ]; do
		if [ "$(stat -c %s -- "$2")" -le 6000 ] || ! is_marked "$2"; then
			echo "$2 was not left extended"
			return 1
		fi
		shift 2
	done
}
# $full: the size of each.
crash() { # KIND NAME...
	local try

	# A guardian may come first, while it is being killed, and settle.
	for try in 1 2 3 4 5; do
		start_writer "$@" || break
		kill_writer
		if all_are_extended "$@" >"$SCRATCH/settled"; then
			full=$(stat -c %s -- "$2")
			return 0
		fi
	done
	tap_not_ok 'files are left extended'
	diag "$(head -n 3 "$SCRATCH/writer.err" "$SCRATCH/settled")"
	return 1
}

# What a run says, in the order of the names, the summary last; and its exit status.
said() { # command...
	local status
	"$@" >"$SCRATCH/.out" 2>"$SCRATCH/.err" </dev/null
	status=$?
	grep -av ' looked at' "$SCRATCH/.out" | LC_ALL=C sort
	grep -a ' looked at' "$SCRATCH/.out"
	LC_ALL=C sort "$SCRATCH/.err"
	echo "status $status"
}
recovers() {
	said "$PREALLOCATE" recover "$@"
}
recovers_as_nobody() {
	said as_nobody "$SCRATCH/own" recover "$@"
}
state_of() {
	stat -c '%n %s %x %y %z %a %u %b' -- "$@"
	getfattr -h -d -m user.preallocate -e hex -- "$@" 2>/dev/null
}
sizes() {
	stat -c %s -- "$@" | tr '\n' ' '
}
give_back() { # FILES BYTES: what they are too long, together
	echo $(($1 * full - $2))
}

dry_run() {
	local before after

	crash text d/t.data record d/r.data block d/b.data || return
	touch -a -d '2001-02-03' d/*.data
	before=$(state_of d/*.data)
	is "$1: a dry run" "$(recovers --dry-run d)" "\
d/b.data: would be recovered, 8192 bytes instead of $full (the last block that was written to ends \
there; zeroes at the end may be no data, and --strip-zeros cuts them off)
d/r.data: would be recovered, 6000 bytes instead of $full (the record of its end says so)
d/t.data: would be recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)
3 files looked at, 3 to recover, $(give_back 3 17192) bytes to give back, 0 left
status 0"
	is "$1: settle doesn't take its size for true" "$("$PREALLOCATE" settle d/t.data 2>&1; echo "status $?")" "\
preallocate: d/t.data: is still extended, by a crash or exclusive=assume; see preallocate recover
status 1"
	is "$1: -n --strip-zeros, of one file" "$(recovers -n --strip-zeros d/b.data)" "\
d/b.data: would be recovered, 5000 bytes instead of $full (zeroes behind that were cut off, as \
--strip-zeros says)
status 0"
	after=$(state_of d/*.data)
	is "$1: they change nothing, no time either" "$after" "$before"
}

outcomes() {
	local text

	touch -d '2001-02-03 04:05:06.123456789' d/*.data
	chmod 604 d/t.data
	is "$1: -v of one file" "$(recovers -v d/t.data)" "\
d/t.data: recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)
status 0"
	is "$1: mtime and mode stay" "$(TZ=UTC stat -c '%s %y %a' d/t.data)" \
		"3000 2001-02-03 04:05:06.123456789 +0000 604"
	text=$(printf '%3000s' '' | tr ' ' x)
	is "$1: so does the content" "$(cat d/t.data)" "$text"
	is "$1: JSON" "$(recovers --json d/r.data d/b.data d/t.data none)" "\
  {\"path\": \"d/b.data\", \"outcome\": \"cut\", \"known_from\": \"block\", \"size_before\": $full, \
\"size\": 8192, \"dry_run\": false},
  {\"path\": \"d/r.data\", \"outcome\": \"cut\", \"known_from\": \"record\", \"size_before\": $full, \
\"size\": 6000, \"dry_run\": false},
  {\"path\": \"d/t.data\", \"outcome\": \"unmarked\", \"size_before\": 3000, \"size\": 3000, \
\"dry_run\": false},
[
]
  {\"path\": \"none\", \"error\": \"can't be looked at\", \"reason\": \"No such file or directory\"}
preallocate: none: can't be looked at: No such file or directory
status 1"
	is "$1: the bytes of both" "$(cat d/r.data d/b.data | tr -d '\000')" "$text$text"
	check "$1: the marks are gone" none_is_marked d
	is "$1: again" "$(recovers d)" '3 files looked at, 0 recovered, 0 bytes given back, 0 left
status 0'
	crash block d/b.data || return
	is "$1: --strip-zeros" "$(recovers --strip-zeros d)" "\
d/b.data: recovered, 5000 bytes instead of $full (zeroes behind that were cut off, as --strip-zeros \
says)
3 files looked at, 1 recovered, $(give_back 1 5000) bytes given back, 0 left
status 0"
}

foreign_marks() {
	local kind outcome

	crash text d/t.data text d/c.data text d/g.data text d/u.data || return
	cp --preserve=all --sparse=never d/t.data d/copy.data
	cp --preserve=all d/t.data d/dry.data
	[ -z "$(command -v rsync)" ] || rsync -aX d/t.data d/rsynced.data
	for kind in copy dry rsynced; do
		[ ! -e "d/$kind.data" ] || is_marked "d/$kind.data" || diag "$kind: no mark was copied"
	done
	is "$1: a copy, --dry-run" "$(recovers -n d/dry.data)" "\
d/dry.data: has the mark of another file, so it is a copy; nothing would be cut, the mark would be \
removed
status 0"
	check "$1: which leaves its mark" is_marked d/dry.data
	rm d/dry.data
	for kind in copy rsynced; do
		[ -e "d/$kind.data" ] || continue
		is "$1: a copy: $kind" "$(recovers "d/$kind.data")" "\
d/$kind.data: has the mark of another file, so it is a copy; nothing was cut, the mark was removed
status 0"
		is "$1: $kind keeps its size" "$(sizes "d/$kind.data")" "$full "
		check_not "$1: $kind has no mark any more" is_marked "d/$kind.data"
	done
	truncate -s 2000 d/c.data
	truncate -s 9M d/u.data
	setfattr -n user.preallocate -v 'anything' d/g.data
	setfattr -n user.preallocate d/empty.data 2>/dev/null || {
		printf 'y\n' >d/empty.data
		setfattr -n user.preallocate d/empty.data
	}
	outcome="isn't as its mark says, so somebody has changed it since; nothing was cut, the mark was \
removed"
	rm -f d/copy.data d/rsynced.data d/r.data d/b.data
	is "$1: changed, and corrupt" "$(recovers d)" "\
d/c.data: $outcome
d/empty.data: has a mark that makes no sense; nothing was cut, the mark was removed
d/g.data: has a mark that makes no sense; nothing was cut, the mark was removed
d/t.data: recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)
d/u.data: $outcome
5 files looked at, 1 recovered, $(give_back 1 3000) bytes given back, 0 left, 4 marks removed that \
didn't fit
status 0"
	is "$1: no size was touched" "$(sizes d/c.data d/g.data d/u.data d/empty.data)" "2000 $full 9437184 2 "
	check "$1: no mark is left" none_is_marked d
}

in_use() {
	rm -f d/*
	crash text d/t.data || return
	exec 3<d/t.data
	is "$1: somebody has it open" "$(recovers d)" "\
1 file looked at, 0 recovered, 0 bytes given back, 1 left
preallocate: d/t.data: is marked, but somebody has it open (see fuser); recover it when it is closed
status 1"
	is "$1: it is left" "$(sizes d/t.data)" "$full "
	exec 3<&-
	is "$1: when it is closed" "$(recovers --json d)" "\
  {\"path\": \"d/t.data\", \"outcome\": \"cut\", \"known_from\": \"data\", \"size_before\": $full, \
\"size\": 3000, \"dry_run\": false}
[
]
status 0"
	rm d/t.data
	start_writer text d/l.data block d/m.data || return
	check "$1: a living program" is_marked d/l.data
	is "$1: it has nothing to recover" "$(recovers d)" \
		"2 files looked at, 0 recovered, 0 bytes given back, 0 left
status 0"
	is "$1: its size is true" "$(sizes d/l.data d/m.data)" '3000 6000 '
	kill_writer
	start_writer text d/l.data block d/m.data || return
	is "$1: -v says so" "$(recovers -v d/l.data)" "\
d/l.data: in use, or recovered by somebody else meanwhile; nothing to recover
status 0"
	is "$1: --json, too" "$(recovers --json d/m.data)" "\
  {\"path\": \"d/m.data\", \"outcome\": \"settled\", \"size_before\": 6000, \"size\": 6000, \
\"dry_run\": false}
[
]
status 0"
	kill_writer
	exclusive=assume start_writer text d/l.data || return
	is "$1: exclusive=assume, settle says that it is still extended" \
		"$("$PREALLOCATE" settle d/l.data 2>&1; echo "status $?")" "\
preallocate: d/l.data: is still extended, by a crash or exclusive=assume; see preallocate recover
status 1"
	is "$1: so does recover, and leaves it" "$(recovers d/l.data | tail -n 2)" "\
preallocate: d/l.data: is marked, but somebody has it open (see fuser); recover it when it is closed
status 1"
	is "$1: as it was" "$(sizes d/l.data)" "$full "
	kill_writer
}

links_and_mounts() {
	rm -rf d/* out
	mkdir d/sub d/bound d/other out
	crash text d/sub/t.data text out/o.data text out/f.data text out/b.data || return
	ln -s ../out d/dirlink
	ln -s ../out/o.data d/o.data
	ln -s d treelink
	is "$1: no link in a tree is followed" "$(recovers treelink)" "\
treelink/sub/t.data: recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)
1 file looked at, 1 recovered, $(give_back 1 3000) bytes given back, 0 left
status 0"
	check "$1: what they lead to is as it was" all_are_extended text out/o.data text out/f.data
	is "$1: a link given as a path is" "$(recovers d/o.data)" "\
d/o.data: recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)
status 0"
	: >d/file.data
	filesystem_mount "$PWD/d/bound" mount --bind "$PWD/out" &&
		filesystem_mount "$PWD/d/other" mount -t tmpfs preallocate-test &&
		mount --bind out/b.data d/file.data || {
		skip "$1: mounts" "$no_filesystem"
		return
	}
	: >d/other/x
	is "$1: no mount is crossed" "$(recovers -v d)" "\
2 files looked at, 0 recovered, 0 bytes given back, 0 left, 3 mounts not crossed
$(for at in bound file.data other; do
		echo "preallocate: d/$at: is on another filesystem or mount, left out; --cross-mounts \
would go there"
	done)
status 0"
	check "$1: nothing was touched" all_are_extended text out/f.data text out/b.data
	umount d/file.data
	is "$1: but with --cross-mounts" "$(recovers --cross-mounts d)" "\
d/bound/b.data: recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)
d/bound/f.data: recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)
6 files looked at, 2 recovered, $(give_back 2 6000) bytes given back, 0 left
status 0"
	filesystem_unmount "$PWD/d/bound"
	filesystem_unmount "$PWD/d/other"
}

unprivileged() {
	rm -rf d/* out
	mkdir d/closed
	crash text d/own.data text d/root.data text d/secret.data text d/ro.data text d/closed/x.data ||
		return
	chown 65534 d/own.data d/ro.data
	chmod 644 d/root.data
	chmod 444 d/ro.data
	chmod 600 d/secret.data
	chmod 700 d/closed
	chmod 755 .
	is "$1: another user's own files" "$(recovers_as_nobody d)" "\
d/own.data: recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)
4 files looked at, 1 recovered, $(give_back 1 3000) bytes given back, 4 left
preallocate: d/closed: can't be read: Permission denied
preallocate: d/ro.data: is marked, and can't be opened: Permission denied
preallocate: d/root.data: is marked, and can't be opened: Permission denied
preallocate: d/secret.data: can't be looked at: Permission denied
status 1"
	chmod 666 d/root.data
	is "$1: one that he may write to" "$(recovers_as_nobody d/root.data)" "\
preallocate: d/root.data: is marked, but belongs to another user; run preallocate recover as its \
owner or as root
status 1"
	check "$1: it is left" all_are_extended text d/root.data
	is "$1: root recovers them all" "$(recovers d | tail -n 2)" "\
5 files looked at, 4 recovered, $(give_back 4 12000) bytes given back, 0 left
status 0"
	is "$1: and their owners stay" "$(stat -c '%n %u %a' d/ro.data d/root.data)" "\
d/ro.data 65534 444
d/root.data 0 666"
}

config() {
	local here=$PWD

	rm -rf d/*
	mkdir -p d/logs/deep d/off "d/a b*"
	crash text d/logs/deep/1.data text d/off/2.data text "d/a b*/3.data" text d/one.data \
		text d/two.data || return
	cat >"$SCRATCH/rules.conf" <<-END
		*.log
		$here/d/logs/**/*.data  prealloc-size=1M
		$here/d/off/*           mode=off
		"$here/d/a b\\*/?.data"
		$here/d/one.data
		$here/none/*
		**/x.data
	END
	is "$1: --config, dry" "$(recovers -n --config="$SCRATCH/rules.conf")" "\
$here/d/a b*/3.data: would be recovered, 3000 bytes instead of $full (its last byte that isn't zero is \
there)
$here/d/logs/deep/1.data: would be recovered, 3000 bytes instead of $full (its last byte that isn't \
zero is there)
$here/d/one.data: would be recovered, 3000 bytes instead of $full (its last byte that isn't zero is \
there)
3 files looked at, 3 to recover, $(give_back 3 9000) bytes to give back, 0 left
preallocate: rules that name no directory can't be followed: '*.log', '**/x.data'; give their \
directories as PATHs
status 0"
	is "$1: --config, and a path" "$(PREALLOCATE_CONFIG=$SCRATCH/rules.conf recovers --config d/two.data |
		tail -n 3)" "\
4 files looked at, 4 recovered, $(give_back 4 12000) bytes given back, 0 left
preallocate: rules that name no directory can't be followed: '*.log', '**/x.data'; give their \
directories as PATHs
status 0"
	check "$1: what is off is left" all_are_extended text d/off/2.data
	printf '*.log\n%s/d/off/* mode=off\n' "$here" >"$SCRATCH/rules.conf"
	is "$1: a configuration without directories" "$(recovers --config="$SCRATCH/rules.conf")" "\
preallocate: rules that name no directory can't be followed: '*.log'; give their directories as PATHs
status 0"
}

names() {
	rm -rf d/*
	crash text $'d/\xe4 "\\\n\e[2J.data' text $'d/\xc3\xa4.data' || return
	cat >"$SCRATCH/names.py" <<-'END'
		import json, os, subprocess, sys
		run = subprocess.run([sys.argv[1], "recover", "--json", "d"], stdout=subprocess.PIPE, check=True)
		run.stdout.decode()
		files = json.loads(run.stdout)
		assert sorted(os.fsencode(f["path"]) for f in files) == [
		    b"d/\xc3\xa4.data", b'd/\xe4 "\\\n\x1b[2J.data'], files
		assert all(f["outcome"] == "cut" and f["size"] == 3000 for f in files), files
	END
	check "$1: JSON gives every name back" env PYTHONUTF8=1 python3 "$SCRATCH/names.py" "$PREALLOCATE"
	crash text $'d/\xe4 "\\\n\e[2J.data' || return
	is "$1: a line is one line, and plain" "$(recovers d | LC_ALL=C grep -a 'recovered, 3000')" \
		$'d/\xe4 "\\??[2J.data: recovered, 3000 bytes instead of '"$full (its last byte that isn't \
zero is there)"
}

wrong_sizes() {
	find d -name '*.text.data' ! -size 3000c -o -name '*.zero.data' ! -size 6000c
}
many() { # COUNT: names=
	local i

	rm -rf d/*
	names=()
	for ((i = 0; i < $1; i += 2)); do
		names+=(text "d/$i.text.data" record "d/$i.zero.data")
	done
}

strace_is_allowed() {
	strace -o "$SCRATCH/trace" true 2>/dev/null
}

killed() {
	local i call kind names

	many 24
	crash "${names[@]}" || return
	if strace_is_allowed; then
		# Before each call that changes something.
		i=0
		for call in fsetxattr ftruncate utimensat fremovexattr; do
			for kind in text zero; do
				strace -qq -o "$SCRATCH/trace" -e "trace=$call" \
					-e "inject=$call:signal=KILL:when=1" \
					"$PREALLOCATE" recover "d/$i.$kind.data"
				check "$1: killed before $call" grep -q 'killed by SIGKILL' "$SCRATCH/trace"
			done
			i=$((i + 2))
		done 2>/dev/null
	fi
	for i in {1..9}; do
		timeout -s KILL "0.00$i" "$PREALLOCATE" recover d >/dev/null
	done 2>/dev/null
	check "$1: killed at any point, and run again" "$PREALLOCATE" recover d
	is "$1: each file ends where its data end" "$(wrong_sizes)" ''
	check "$1: and has no mark" none_is_marked d
}

two_at_once() {
	local names other recovered

	many "$TREE"
	crash "${names[@]}" || return
	"$PREALLOCATE" recover d >"$SCRATCH/other" 2>&1 &
	other=$!
	check "$1: one of two on $TREE files" "$PREALLOCATE" recover d
	recovered=$(tail -n 1 "$SCRATCH/.check" | cut -d' ' -f5)
	check "$1: the other of them" wait "$other"
	recovered="$recovered + $(tail -n 1 "$SCRATCH/other" | cut -d' ' -f5)"
	diag "$recovered"
	is "$1: each file was recovered by one" "$((recovered))" "$TREE"
	is "$1: and ends where its data end" "$(wrong_sizes)" ''
	check "$1: and has no mark any more" none_is_marked d
}

# Whoever has it open for a moment only is waited for.
open_for_a_moment() {
	local recovering

	rm -rf d/*
	crash text d/t.data || return
	exec 3<d/t.data
	strace -qq -o "$SCRATCH/trace" -e trace=fcntl,clock_nanosleep \
		-e inject=clock_nanosleep:delay_exit=1000000 "$PREALLOCATE" recover d/t.data \
		>"$SCRATCH/late" 2>&1 3<&- &
	recovering=$!
	check "$1: open for a moment" wait_until 60 grep -q 'F_SETLEASE.*EAGAIN' "$SCRATCH/trace"
	exec 3<&-
	wait "$recovering"
	is "$1: it is recovered after that" "$(cat "$SCRATCH/late")" \
		"d/t.data: recovered, 3000 bytes instead of $full (its last byte that isn't zero is there)"
}

# Slow enough that both have it open before either can claim it.
opened_twice() {
	local i opener openers=()

	rm -rf d/*
	crash text d/t.data || return
	for i in 1 2; do
		strace -f -qq -o "$SCRATCH/trace.$i" \
			-e trace=fcntl,clock_nanosleep -e inject=fcntl:delay_enter=60000:when=1 \
			-e inject=clock_nanosleep:delay_exit=60000 \
			"$PREALLOCATE" run --log=error -m '*.data' -- cat d/t.data >/dev/null &
		openers+=($!)
	done
	for opener in "${openers[@]}"; do
		wait "$opener"
	done
	is "$1: opened by two under the library at once" "$(sizes d/t.data)" '3000 '
}

each_filesystem() {
	cd "$MNT" && mkdir d && setfattr -n user.preallocate -v x d && setfattr -x user.preallocate d || {
		skip "$1: recover" 'it takes no extended attributes'
		cd "$SCRATCH" || exit
		return
	}
	dry_run "$1" && outcomes "$1"
	foreign_marks "$1"
	in_use "$1"
	links_and_mounts "$1"
	unprivileged "$1"
	config "$1"
	names "$1"
	killed "$1"
	two_at_once "$1"
	! strace_is_allowed || open_for_a_moment "$1"
	! strace_is_allowed || opened_twice "$1"
	cd "$SCRATCH" || exit
}

cd "$SCRATCH" || exit
says 'recover without a path' 125 "recover needs the path of a file or directory, or --config; see \
preallocate help recover" recover
says 'an unknown option' 125 "there is no option '--force'; see preallocate help recover" recover \
	--force .
says 'an unknown letter' 125 "there is no option '-x'; see preallocate help recover" recover -x .
for option in dry-run strip-zeros cross-mounts verbose json; do
	says "--$option with a value" 125 "option '--$option' takes no value; see preallocate help \
recover" recover "--$option=3" .
done
says 'a configuration that is not there' 125 "$SCRATCH/none.conf: can't be opened: No such file or \
directory; name a readable file of rules" recover "--config=$SCRATCH/none.conf"
printf '*.log mode=fast\n' >bad.conf
check 'a wrong one' grep -q "^preallocate: bad.conf:1: .*fast" \
	<("$PREALLOCATE" recover --config=bad.conf 2>&1)
is 'no configuration' "$(recovers --config)" "\
preallocate: no rule of the configuration names a directory; there is nothing to look at
status 0"
mkfifo pipe
says 'a pipe' 1 'pipe: is a pipe; only regular files can be recovered' recover pipe
ln -s nowhere dangling
says 'a link to nothing' 1 'dangling: is a symbolic link to nothing' recover dangling
says 'a path that is not there' 1 "none: can't be looked at: No such file or directory" recover none
printf 'hello\n' >plain
prints 'an ordinary file' 0 '' recover plain
prints 'an ordinary file, -v' 0 'plain: not marked, nothing to recover' recover -v plain
prints 'an ordinary file, --json' 0 '[
  {"path": "plain", "outcome": "unmarked", "size_before": 6, "size": 6, "dry_run": false}
]' recover --json plain
mkdir tree
cp plain tree
prints 'an ordinary tree' 0 '1 file looked at, 0 recovered, 0 bytes given back, 0 left' recover tree
prints 'an ordinary tree, --json' 0 '[]' recover --json tree

# COMMAND...: standard error is a terminal, and what it was sent, is printed.
cat >terminal.py <<'END'
import os, subprocess, sys
ours, theirs = os.openpty()
run = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=theirs)
os.close(theirs)
try:
    while chunk := os.read(ours, 4096):
        sys.stdout.buffer.write(chunk)
except OSError:
    pass
run.wait()
END
slow_recover() { # command...
	"$@" strace -qq -o trace -e trace=lgetxattr -e inject=lgetxattr:delay_enter=600000 \
		"$PREALLOCATE" recover slow
}
mkdir slow
touch slow/{1,2,3}
if strace_is_allowed; then
	check 'a terminal sees how far it is' grep -aq $'\r[23] files looked at, 0 recovered' \
		<(slow_recover python3 terminal.py)
	is 'of a quick one nothing' "$(python3 terminal.py "$PREALLOCATE" recover slow)" ''
	is 'nor does anything else' "$(slow_recover env 2>&1)" \
		'3 files looked at, 0 recovered, 0 bytes given back, 0 left'
else
	skip 'a terminal sees how far it is' 'strace is not installed, or not allowed'
fi

if nobody_comes_here && unshare --pid --fork true; then
	cp "$PREALLOCATE" own
	chmod 755 own
	for_each_filesystem each_filesystem
else
	skip 'files left extended' 'needs root, for filesystems and process namespaces of its own'
fi
done_testing
