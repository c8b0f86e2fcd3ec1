#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# preallocate check-rules and match: what the rules are, and what they come down to.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/common.sh"

defaults="exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=5%"

printf '# logs\n*.log\n"my file" mode=keep prealloc-size=16M\r\n/srv/**/x mode=off min-free=10\n' \
	>"$SCRATCH/conf"
rules="$SCRATCH/conf:2: *.log mode=auto $defaults
$SCRATCH/conf:3: my\\ file mode=keep exclusive=lease prealloc-size=16M prealloc-align=1M idle=1s min-free=5%
$SCRATCH/conf:4: /srv/**/x mode=off exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=10%"
prints "check-rules FILE" 0 "$rules" check-rules "$SCRATCH/conf"
PREALLOCATE_RULES=z prints "check-rules FILE: that file alone" 0 "$rules" check-rules "$SCRATCH/conf"
is "what is printed reads back the same" \
	"$("$PREALLOCATE" check-rules "$SCRATCH/conf" | sed 's/^[^:]*:[0-9]*: //' |
		"$PREALLOCATE" check-rules - | sed 's/^[^:]*:[0-9]*: //')" \
	"$("$PREALLOCATE" check-rules "$SCRATCH/conf" | sed 's/^[^:]*:[0-9]*: //')"
PREALLOCATE_CONFIG=$SCRATCH/conf PREALLOCATE_RULES='a;b' prints "check-rules: configuration, then \
environment" 0 "$rules
PREALLOCATE_RULES:1: a mode=auto $defaults
PREALLOCATE_RULES:1: b mode=auto $defaults" check-rules
prints "no rule, and no configuration" 0 "There is no rule in PREALLOCATE_RULES, and \
PREALLOCATE_CONFIG says that there is no configuration." check-rules
: >"$SCRATCH/empty"
prints "no rule in a file" 0 "There is no rule in $SCRATCH/empty." check-rules "$SCRATCH/empty"
PREALLOCATE_CONFIG=$SCRATCH/empty prints "no rule anywhere" 0 "There is no rule in $SCRATCH/empty, nor \
in PREALLOCATE_RULES." check-rules
says "check-rules takes one file" 125 "check-rules takes one file, but got 'b' too" check-rules a b
printf 'a\nb mode=fast\n' >"$SCRATCH/bad"
says "a mistake" 1 "$SCRATCH/bad:2: mode=fast: no such mode; choose zero, write, auto, keep or off" \
	check-rules "$SCRATCH/bad"
says "a file that isn't there" 1 "$SCRATCH/none: can't be opened: No such file or directory; name a \
readable file of rules" check-rules "$SCRATCH/none"
PREALLOCATE_RULES='a b' says "a mistake in the environment" 1 "PREALLOCATE_RULES:1: 'b' is not \
OPTION=VALUE, such as mode=keep; put a pattern with blanks into double quotes" check-rules
head -c 4096 "$PREALLOCATE" >"$SCRATCH/binary"
says "a binary file" 1 "$SCRATCH/binary:1: has a NUL byte; is this a file of rules?" \
	check-rules "$SCRATCH/binary"

cd "$SCRATCH" || exit
case $(stat -f -c %T .) in
ext2/ext3) name=ext4 ;;
xfs) name=XFS ;;
btrfs) name=btrfs ;;
f2fs | tmpfs | overlayfs) name=$(stat -f -c %T .) ;;
*) name= ;;
esac
[ "$name" = btrfs ] && pieces='; in pieces of prealloc-align' || pieces=
by() {
	printf '    by %s: %s' "$1" "$2"
}
on="on $name, while nobody else has the file open$pieces"
touch a.log 'a"b.log'
mkdir -p dir.log sub
ln -s ../a.log sub/link.txt
# They are what a file comes down to where a guardian can be started.
[ -e "$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so" ] || name=
if [ -n "$name" ] && "$PREALLOCATE" match -m a.log a.log | grep 'would find it among its children'; then
	name=
fi
if [ -n "$name" ]; then
	prints "a file that a rule matches" 0 "a.log: mode auto: $on
$(by -m "*.log mode=auto $defaults")" match -m '*.log' a.log
	prints "a file that isn't there yet" 0 "sub/new.log: mode auto: $on
$(by -r "$SCRATCH/sub/* mode=auto $defaults")" match -r "$SCRATCH/sub/*" sub/new.log
	prints "the configuration's rule" 0 "a.log: mode auto: $on
$(by "$SCRATCH/conf:2" "*.log mode=auto $defaults")" match -c "$SCRATCH/conf" a.log
	PREALLOCATE_RULES=$'\na.*' prints "the environment's rule" 0 "a.log: mode auto: $on
$(by PREALLOCATE_RULES:2 "a.* mode=auto $defaults")" match a.log
	prints "options of -m" 0 "a.log: mode keep: on $name
$(by -m "*.log mode=keep exclusive=lease prealloc-size=1M prealloc-align=64k idle=2s min-free=5%")" \
		match -m '*.log' --mode keep --prealloc-size 1M --prealloc-align 64k --idle 2 a.log
	prints "exclusive=assume" 0 "a.log: mode auto: on $name; exclusive=assume vouches that nobody else \
opens it
$(by -m "*.log mode=auto exclusive=assume prealloc-size=128M prealloc-align=1M idle=1s min-free=5%")" \
		match -m '*.log' --exclusive assume a.log
	is "JSON" "$("$PREALLOCATE" match --json -m '*.log' 'a"b.log' b.txt)" "[
  {\"path\": \"a\\\"b.log\", \"resolved\": \"$SCRATCH/a\\\"b.log\", \"managed\": true, \
\"mode\": \"auto\", \"reason\": \"$on\", \"origin\": \"-m\", \"line\": 1, \"pattern\": \"*.log\", \
\"rule_mode\": \"auto\", \"exclusive\": \"lease\", \"prealloc_size\": 134217728, \
\"prealloc_align\": 1048576, \"idle_ns\": 1000000000, \"min_free_percent\": 5},
  {\"path\": \"b.txt\", \"resolved\": \"$SCRATCH/b.txt\", \"managed\": false, \"mode\": \"off\", \
\"reason\": \"no rule matches\"}
]"
	# The first descriptors that are free are those that it is handed.
	for closed in '3>&- 4>&-' '3>&- 4</dev/null' '3</dev/null 4>&-' '3</dev/null 4</dev/null'; do
		is "a guardian, $closed" "$(eval "\"\$PREALLOCATE\" match -m a.log a.log $closed" | head -n 1)" \
			"a.log: mode auto: $on"
	done
	mkdir own.d own.d/.libs
	cp "$PREALLOCATE" own.d/preallocate
	cp "$PREALLOCATE_BUILDDIR/.libs/libpreallocate.so" own.d/.libs/
	comes_to() {
		is "a guardian that $1" "$(own.d/preallocate match -m a.log a.log | head -n 1)" \
			"a.log: mode keep: falls back to keep: no guardian ($SCRATCH/own.d/.libs/../preallocate-guardian: $2)"
	}
	: >own.d/preallocate-guardian
	comes_to "may not be executed" "Permission denied"
	chmod 722 own.d/preallocate-guardian
	comes_to "others may write" \
		"it isn't a regular file of root's or of the library's owner that nobody else can write"
	printf '#!/bin/true\n' >own.d/preallocate-guardian
	chmod 711 own.d/preallocate-guardian
	comes_to "is none" "it is no guardian, or one of another version than the library: start the program again, \
or install both anew"
else
	skip "files that rules match" "this filesystem isn't one where leases are trusted, or there is no guardian"
fi
prints "no rule matches" 1 "a.log: not managed: no rule matches" match -m '*.txt' a.log
prints "mode=off" 1 "a.log: not managed: the rule says so
$(by -r "a* mode=off $defaults")" match -r '*' -r 'a* mode=off' a.log
prints "a directory" 1 "dir.log: not managed: is a directory; only regular files are managed
$(by -m "*.log mode=auto $defaults")" match -m '*.log' dir.log
prints "a device" 1 "/dev/null: not managed: is a device; only regular files are managed" \
	match -m x /dev/null
prints "no such directory" 1 "no/such.log: not managed: can't be resolved: No such file or directory" \
	match -m '*.log' no/such.log
prints "an untrusted filesystem" 0 "/proc/version: mode keep: falls back to keep: on proc a lease is \
no proof that nobody else has the file open
$(by -m "version mode=auto $defaults")" match -m version /proc/version
check "a slash: the path behind the link" "$PREALLOCATE" match -m '**/sub/link.txt' \
	-m "$SCRATCH/a.log" a.log
check_not "not the link's own" "$PREALLOCATE" match -m "$SCRATCH/sub/link.txt" sub/link.txt
check "no slash: the name as it was opened" "$PREALLOCATE" match -m 'link.txt' sub/link.txt
says "a bad rule" 125 "-m: pattern 'x/y' has a slash, but begins neither with / nor with **/; write \
**/x/y" match -m x/y a.log
if [ -n "$name" ] && nobody_comes_here; then
	cp "$PREALLOCATE" own
	chmod 755 own
	is "somebody else's file" "$(as_nobody ./own match -m '*.log' a.log | head -n 1)" "a.log: mode keep: falls back to keep: a lease is for the file's owner, user \
0, and you are 65534"
else
	skip "somebody else's file" "needs root, an open directory and trusted leases"
fi
done_testing
