#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# preallocate run: becomes the command with the library and the rules, or says why it doesn't.
# shellcheck disable=SC2016
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/common.sh"

library=$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so
# Which glibc alone understands.
named='/usr/$LIB/../../..'$library
environment() { # VARIABLE run-options...
	local variable=$1
	shift
	"$PREALLOCATE" run "$@" -- sh -c "printf '%s' \"\$$variable\""
}

# What the program gets.
is "the library is preloaded" "$(environment LD_PRELOAD -m x)" "$named"
is "in front of what is there" \
	"$(LD_PRELOAD=libnone.so:libtwo.so environment LD_PRELOAD -m x 2>/dev/null)" \
	"$named:libnone.so:libtwo.so"
is "an empty LD_PRELOAD is like none" "$(LD_PRELOAD='' environment LD_PRELOAD -m x)" "$named"
is "once, in a run within a run" \
	"$("$PREALLOCATE" run -m x -- "$PREALLOCATE" run -m y -- sh -c 'echo "$LD_PRELOAD"')" "$named"
is "nor again, where somebody has named it" "$(LD_PRELOAD=$library environment LD_PRELOAD -m x)" "$library"
if musl-gcc -o "$SCRATCH/child" -x c - 2>/dev/null <<<'int main(void) { return 7; }'; then
	"$PREALLOCATE" run -m x -- sh -c '"$1" && :' child "$SCRATCH/child" 2>"$SCRATCH/err"
	is "a child of musl runs without it" "$? $(cat "$SCRATCH/err")" "7 "
else
	skip "a child of musl runs without it" "no musl-gcc"
fi
check "the library is really loaded" \
	"$PREALLOCATE" run -m x -- grep -q libpreallocate /proc/self/maps
is "-m becomes a rule" "$(environment PREALLOCATE_RULES -m '*.log')" "*.log"
is "its special bytes are quoted" "$(environment PREALLOCATE_RULES -m 'a b;#"\c[!x]')" \
	'a\ b\;\#\"\c[!x]'
is "options go to every -m, in any order" \
	"$(environment PREALLOCATE_RULES -m a --mode keep --match=b --prealloc-size=20M \
		--prealloc-align 5M --exclusive=assume --idle 500ms)" \
	"a mode=keep prealloc-size=20M prealloc-align=5M exclusive=assume idle=500ms
b mode=keep prealloc-size=20M prealloc-align=5M exclusive=assume idle=500ms"
is "-r stays as it is, and in order" \
	"$(environment PREALLOCATE_RULES -r 'a mode=off # why' -m b --rule='c;d')" "a mode=off # why
b
c;d"
is "inherited rules come first" "$(PREALLOCATE_RULES='z mode=off' environment PREALLOCATE_RULES -m a)" \
	"z mode=off
a"
is "inherited rules are enough" "$(PREALLOCATE_RULES='z' environment PREALLOCATE_RULES)" "z"
echo '*.log' >"$SCRATCH/conf"
is "-c is made absolute" "$(cd "$SCRATCH" && environment PREALLOCATE_CONFIG -c conf)" "$SCRATCH/conf"
is "-c alone adds no rules" "$(environment PREALLOCATE_RULES --config="$SCRATCH/conf")" ""
is "PREALLOCATE_CONFIG is kept" \
	"$(PREALLOCATE_CONFIG=$SCRATCH/conf environment PREALLOCATE_CONFIG)" "$SCRATCH/conf"
is "--report means standard error" "$(environment PREALLOCATE_REPORT -m x --report 2>/dev/null)" stderr
is "--report=FILE is made absolute" \
	"$(cd "$SCRATCH" && environment PREALLOCATE_REPORT -m x --report=r.json)" "$SCRATCH/r.json"
for name in CONFIG REPORT LOG_FILE; do
	is "PREALLOCATE_$name is made absolute" \
		"$(cd "$SCRATCH" && env "PREALLOCATE_$name=conf" "$PREALLOCATE" run -m x -- \
			sh -c "echo \$PREALLOCATE_$name")" "$SCRATCH/conf"
done
is "an empty PREALLOCATE_REPORT stays empty" "$(PREALLOCATE_REPORT='' environment PREALLOCATE_REPORT -m x)" ""
is "--log" "$(environment PREALLOCATE_LOG -m x --log=error)" error
is "options end at the command" "$("$PREALLOCATE" run -m x echo -m --mode)" "-m --mode"
is "-- ends them" "$("$PREALLOCATE" run -m x -- echo --)" "--"
is "the command sees its own name" \
	"$(cd / && PATH=/bin:/usr/bin "$PREALLOCATE" run -m x sh -c 'echo "$0"')" sh
is "it is the same process" \
	"$(sh -c 'echo $$; exec "$0" run -m x -- sh -c "echo \$\$"' "$PREALLOCATE" | uniq | wc -l)" 1
says "its exit status is the command's" 42 "" run -m x -- sh -c 'exit 42'

# Wrong rules and options.
says "no command" 125 "there is no command to run; write preallocate run -m '*.log' -- COMMAND" \
	run -m x
says "no rule" 125 "there is no rule before 'true', so no file would be managed; give a pattern, such as \
preallocate run -m '*.log' -- true" run true
says "an empty configuration" 125 "there is no rule before 'true', so no file would be managed; give a pattern, \
such as preallocate run -m '*.log' -- true" run -c /dev/null true
says "a bad pattern" 125 "-m: pattern 'log/x' has a slash, but begins neither with / nor with **/; \
write **/log/x" run -m log/x true
says "an empty pattern" 125 "-m: pattern '' is empty; write * to match every name" \
	run -m '' --mode keep true
says "a line break in a pattern" 125 "-m: the pattern 'a?b' has a line break; write ? for it" \
	run -m $'a\nb' true
says "a bad rule" 125 "-r: unknown option 'color'; there are mode, exclusive, prealloc-size, \
prealloc-align, idle and min-free" run -r 'a color=red' true
says "an empty rule" 125 "-r: there is no rule in ' '; write PATTERN OPTION=VALUE..." run -r ' ' true
says "a bad mode" 125 "--mode=fast: no such mode; choose zero, write, auto, keep or off" run -m a --mode fast true
says "a bad size" 125 "--prealloc-size=1Q: not a size; write bytes, or a number with k, M, G, T, P or \
E, such as 1M" run -m a --prealloc-size 1Q true
says "a bad alignment" 125 "--prealloc-align=1000: not a multiple of 512; write 512, 4k or 1M" \
	run -m a --prealloc-align 1000 true
says "a bad exclusive" 125 "--exclusive=me: no such way to be sure that nobody else has the file \
open; write lease or assume" run -m a --exclusive me true
says "a bad idle time" 125 "--idle=0: too short; write 1ms or more" run -m a --idle 0 true
says "an option without -m" 125 "--mode is for the patterns of -m, and there is none; add -m PATTERN, \
or write it into the rule: -r 'PATTERN mode=...'" run --mode keep -r a true
says "a bad log level" 125 "--log=loud: no such level; write error, warn, info or debug" \
	run -m a --log=loud true
says "an empty report" 125 "--report=: there is no file name; write --report=FILE, or --report for \
standard error" run -m a --report= true
says "a report in no directory" 125 "--report=$SCRATCH/none/r: can't be written: No such file or \
directory; name a file that can" run -m a --report="$SCRATCH/none/r" true
says "a directory as report" 125 "--report=$SCRATCH: can't be written: Is a directory; name a file that \
can" run -m a --report="$SCRATCH" true
for name in REPORT LOG_FILE; do
	export "PREALLOCATE_$name=$SCRATCH/none/r"
	says "PREALLOCATE_$name in no directory" 125 "PREALLOCATE_$name=$SCRATCH/none/r: can't be written: No \
such file or directory; name a file that can" run -m a true
	unset "PREALLOCATE_$name"
done
says "an option in a pattern" 125 "-m: '*.log mode=zero' has an option in it, mode; write -r '*.log mode=zero'" \
	run -m '*.log mode=zero' true
says "the last one" 125 "-m: 'a b min-free=3' has an option in it, min-free; write -r 'a b min-free=3'" \
	run -m 'a b min-free=3' true
is "a blank and a = in a file's name" "$(environment PREALLOCATE_RULES -m 'a model=3')" 'a\ model=3'
# shellcheck disable=SC2046
says "an option given 40 times" 125 "--prealloc-size is given too often; once is enough" \
	run $(printf -- '--prealloc-size=128M %.0s' {1..40}) -m a true
says "no configuration file" 125 "$SCRATCH/none: can't be opened: No such file or directory; name a \
readable file of rules" run -c "$SCRATCH/none" true
says "a directory as configuration" 125 "$SCRATCH: can't be read: Is a directory; name a readable \
file of rules" run -c "$SCRATCH" true
mkfifo "$SCRATCH/fifo"
says "a pipe as configuration" 125 "$SCRATCH/fifo: is a pipe, but every program that is started reads \
it anew; name a file" run -c "$SCRATCH/fifo" true
printf 'a\n\nb mode=fast\n' >"$SCRATCH/bad"
says "a mistake in the configuration" 125 "$SCRATCH/bad:3: mode=fast: no such mode; choose zero, write, auto, keep \
or off" run -c "$SCRATCH/bad" true
PREALLOCATE_RULES='a;b mode=fast' says "a mistake in the inherited rules" 125 \
	"PREALLOCATE_RULES:1: mode=fast: no such mode; choose zero, write, auto, keep or off" run -m a true

# Programs that can't be started.
PATH=/bin:/usr/bin says "a command that isn't in PATH" 127 \
	"no-such-command: no such command in PATH; check its spelling or give its path" \
	run -m x no-such-command
says "a path that isn't there" 127 "$SCRATCH/none: no such command; check its spelling" \
	run -m x "$SCRATCH/none"
says "an empty command" 127 "the command's name is empty; write preallocate run -m '*.log' -- COMMAND" \
	run -m x ''
says "a directory" 126 "$SCRATCH: can't be executed: Is a directory" run -m x "$SCRATCH"
says "a file without execute permission" 126 "$SCRATCH/conf: can't be executed: Permission denied; \
see its mode and its directory's" run -m x "$SCRATCH/conf"
mkdir "$SCRATCH/one" "$SCRATCH/two"
touch "$SCRATCH/one/prog"
PATH=$SCRATCH/one:/bin:/usr/bin says "found in PATH without execute permission" 126 \
	"$SCRATCH/one/prog: can't be executed: Permission denied; see its mode and its directory's" \
	run -m x prog
printf '#!/bin/sh\necho two\n' >"$SCRATCH/two/prog"
chmod +x "$SCRATCH/two/prog"
PATH=$SCRATCH/one:$SCRATCH/two:/bin:/usr/bin prints "a later one in PATH is taken" 0 two run -m x prog
is "an empty entry of PATH is here" \
	"$(cd "$SCRATCH/two" && PATH=:/bin:/usr/bin "$PREALLOCATE" run -m x prog)" two

# Programs that no library gets into.
static="is statically linked, so no library can be preloaded into it; run a dynamically linked build"
cp "$PREALLOCATE" "$SCRATCH/static"
# A header without program headers: nothing names a dynamic linker, as in a static program.
dd if=/dev/zero of="$SCRATCH/static" bs=1 seek=32 count=32 conv=notrunc 2>/dev/null
says "a static program" 125 "$SCRATCH/static: $static" run -m x "$SCRATCH/static"
printf '#!%s/static\n' "$SCRATCH" >"$SCRATCH/script"
chmod +x "$SCRATCH/script"
says "a script for a static program" 125 "$SCRATCH/static: $static" run -m x "$SCRATCH/script"
printf '#! %s/script -x\n' "$SCRATCH" >"$SCRATCH/script2"
chmod +x "$SCRATCH/script2"
says "a script for such a script" 125 "$SCRATCH/static: $static" run -m x "$SCRATCH/script2"
printf '#!%s/loop\n' "$SCRATCH" >"$SCRATCH/loop"
chmod +x "$SCRATCH/loop"
says "a script for itself" 126 "$SCRATCH/loop: can't be executed: its interpreter '$SCRATCH/loop': \
Too many levels of symbolic links" run -m x "$SCRATCH/loop"
printf '#!%s/none\n' "$SCRATCH" >"$SCRATCH/orphan"
chmod +x "$SCRATCH/orphan"
says "a script without its interpreter" 126 "$SCRATCH/orphan: can't be executed: its interpreter \
'$SCRATCH/none': No such file or directory" run -m x "$SCRATCH/orphan"
printf '#! \n' >"$SCRATCH/nobody"
chmod +x "$SCRATCH/nobody"
says "a script that names no interpreter" 126 "$SCRATCH/nobody: can't be executed: its interpreter '': \
Exec format error" run -m x "$SCRATCH/nobody"
printf 'echo plain\n' >"$SCRATCH/plain"
chmod +x "$SCRATCH/plain"
prints "a text without #! goes to sh, as execvp does" 0 plain run -m x "$SCRATCH/plain"
cp "$PREALLOCATE" "$SCRATCH/other"
printf '\003' | dd of="$SCRATCH/other" bs=1 seek=4 conv=notrunc 2>/dev/null
says "a program for another machine" 125 "$SCRATCH/other: is for another kind of machine than \
libpreallocate.so (32 against 64 bits perhaps); use a preallocate built like it" \
	run -m x "$SCRATCH/other"
if LC_ALL=C grep -q 'ld-linux' "$PREALLOCATE"; then
	LC_ALL=C sed 's/ld-linux/ld-musl-/' "$PREALLOCATE" >"$SCRATCH/musl"
	chmod +x "$SCRATCH/musl"
	says "a program of another libc" 125 "$SCRATCH/musl: is linked with musl, but libpreallocate.so \
with glibc; run a build for glibc" run -m x "$SCRATCH/musl"
else
	skip "a program of another libc" "this dynamic linker has another name"
fi

# A file of somebody else's with a set-user-ID bit needs root to be made.
secure="so no library can be preloaded into it; run preallocate as its user, or run an unprivileged copy"
if [ "$(id -u)" -ne 0 ]; then
	skip "set-user-ID, set-group-ID, file capabilities" "needs root"
elif findmnt -no OPTIONS -T "$SCRATCH" | grep -qw nosuid; then
	skip "set-user-ID, set-group-ID, file capabilities" "$SCRATCH is mounted nosuid"
else
	cp "$(type -P true)" "$SCRATCH/suid"
	chown 65534 "$SCRATCH/suid"
	chmod 4755 "$SCRATCH/suid"
	says "a set-user-ID program" 125 "$SCRATCH/suid: is set-user-ID, $secure" run -m x "$SCRATCH/suid"
	says "which no_new_privs makes an ordinary one" 0 "" run -m x \
		setpriv --no-new-privs "$PREALLOCATE" run -m x "$SCRATCH/suid"
	chown 0 "$SCRATCH/suid"
	chmod 4755 "$SCRATCH/suid"
	says "set-user-ID to oneself changes nothing" 0 "" run -m x "$SCRATCH/suid"
	chmod 755 "$SCRATCH/suid"
	chgrp 65534 "$SCRATCH/suid"
	chmod 2755 "$SCRATCH/suid"
	says "a set-group-ID program" 125 "$SCRATCH/suid: is set-group-ID, $secure" run -m x "$SCRATCH/suid"
	chmod 2745 "$SCRATCH/suid"
	says "without group execution it is no such program" 0 "" run -m x "$SCRATCH/suid"
	if command -v setcap >/dev/null && nobody_comes_here && cp "$(type -P true)" "$SCRATCH/caps" &&
		setcap cap_net_raw+ep "$SCRATCH/caps" 2>/dev/null; then
		mkdir "$SCRATCH/build" "$SCRATCH/build/.libs"
		cp "$PREALLOCATE" "$SCRATCH/build"
		cp "$library" "$SCRATCH/build/.libs"
		says "a capable program is fine for root" 0 "" run -m x "$SCRATCH/caps"
		as_nobody "$SCRATCH/build/preallocate" run -m x "$SCRATCH/caps" 2>"$SCRATCH/err"
		is "and refused for others" "$?: $(cat "$SCRATCH/err")" "125: preallocate: $SCRATCH/caps: is \
privileged by file capabilities, $secure"
	else
		skip "a program with file capabilities" "setcap doesn't work here"
	fi
fi

# Where the library is.
mkdir -p "$SCRATCH/alone" "$SCRATCH/bl ank/.libs"
cp "$PREALLOCATE" "$SCRATCH/alone"
PREALLOCATE=$SCRATCH/alone/preallocate
installed=$("$PREALLOCATE" run -m x -- sh -c 'echo "$LD_PRELOAD"' 2>"$SCRATCH/err")
if [ -n "$installed" ]; then
	is "elsewhere: the installed library" "${installed##*/}" libpreallocate.so
else
	check "no library: the message names it" grep -Eq \
		"^preallocate: /.*/libpreallocate.so: the library can't be read: No such file or directory; \
install it, or start preallocate from its build directory$" "$SCRATCH/err"
fi
cp "$PREALLOCATE" "$SCRATCH/bl ank"
touch "$SCRATCH/bl ank/.libs/libpreallocate.so"
PREALLOCATE="$SCRATCH/bl ank/preallocate"
says "a path that LD_PRELOAD can't hold" 125 "$SCRATCH/bl ank/.libs/libpreallocate.so: LD_PRELOAD \
can't hold a path with a blank or colon; install the library elsewhere" run -m x true
# --- files that are executed in other ways than most ---
loader=$(sed -n 's/.*Requesting program interpreter: \([^]]*\).*/\1/p' < <(readelf -l "$PREALLOCATE_BUILDDIR/preallocate" 2>/dev/null))
if [ -x "$loader" ]; then
	is "the dynamic linker runs what it is given" "$("$PREALLOCATE_BUILDDIR/preallocate" run -m '*.none' -- "$loader" /bin/echo ran 2>&1)" ran
	libc=$("$loader" --list /bin/true | sed -n 's/.*libc.so.6 => \([^ ]*\).*/\1/p')
	is "libc itself as a program" "$("$PREALLOCATE_BUILDDIR/preallocate" run -m '*.none' -- "$libc" 2>&1 | head -n 1)" \
		"$("$libc" | head -n 1)"
else
	skip "the dynamic linker as a command" "readelf doesn't say which it is"
fi

done_testing
