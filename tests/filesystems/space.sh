#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # what the sourced files set
# Space comes back: by the filesystem's own count it costs no more than without the library; a full
# filesystem shows no other sizes, bytes or errors.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need python3
FILES=4
MiB=$((1024 * 1024))

# What the filesystem says is used, after everything is on its disk.
used() {
	sync -f "$MNT"
	if [ "$1" = btrfs ]; then
		btrfs filesystem usage -b "$MNT" | awk '/^ +Used:/ { print $2; exit }'
	else
		stat -f -c '%S %b %f' "$MNT" | awk '{ printf "%.0f\n", $1 * ($2 - $3) }'
	fi
}

write_files() { # MODE or plain
	local i prefix=()

	[ "$1" = plain ] || set_prefix "$1" '*.data'
	for i in $(seq $FILES); do
		"${prefix[@]}" "$HELPERS/appender" -n 2000 -s 40-3000 -m append \
			"$SCRATCH/acknowledged.$i" "$MNT/$i.data" || return 1
		"$HELPERS/record-check" "$SCRATCH/acknowledged.$i" "$MNT/$i.data" || return 1
		rm "$SCRATCH/acknowledged.$i"
	done
}

comes_back() {
	local type=$1 run before plain_cost='' cost blocks plain_blocks=''

	for run in plain $MODES; do
		# Fresh each time: freed space is counted at once only on a filesystem without a past.
		with_filesystem "$type" || {
			skip "$type: space comes back" "$no_filesystem"
			return
		}
		before=$(used "$type")
		check "$type: files written, $run" write_files "$run"
		cost=$(($(used "$type") - before))
		blocks=$(stat -c %b "$MNT"/*.data | awk '{ n += $1 } END { print n * 512 }')
		diag "$type, $run: costs $cost bytes, files take $blocks"
		if [ "$run" = plain ]; then
			plain_cost=$cost plain_blocks=$blocks
		else
			check "$type, mode $run: used as without, but for 1 MiB a file" \
				test $((cost - plain_cost)) -le $((FILES * MiB))
			check "$type, mode $run: blocks as without, but for 1 MiB a file" \
				test $((blocks - plain_blocks)) -le $((FILES * MiB))
		fi
		release_filesystem
	done
}

cat >"$SCRATCH/settles.py" <<'END_OF_PYTHON'
import os

fd = os.open('settles.data', os.O_RDWR | os.O_CREAT | os.O_APPEND)
for i in range(50):
    os.write(fd, b's' * 8192)
    os.fdatasync(fd)
    os.ftruncate(fd, 8192 * (i + 1))
for i in range(50):
    os.close(fd)
    fd = os.open('settles.data', os.O_RDWR | os.O_APPEND)
    os.write(fd, b's' * 8192)
    os.fdatasync(fd)
END_OF_PYTHON

# A program that has its file settled, or closed, again and again. What is cut off may stay in use
# (btrfs): no more of it than what was written, and one prealloc_align.
settled_often() {
	local type=$1 run before plain_cost=0 cost prefix

	for run in plain zero; do
		with_filesystem "$type" || {
			skip "$type: settled often" "$no_filesystem"
			return
		}
		before=$(used "$type")
		prefix=()
		[ "$run" = plain ] || set_prefix "$run" '*.data'
		(cd "$MNT" && "${prefix[@]}" "$PYTHON" "$SCRATCH/settles.py")
		is "$type, $run: 100 records" "$(stat -c %s "$MNT/settles.data")" 819200
		cost=$(($(used "$type") - before))
		if [ "$run" = plain ]; then
			plain_cost=$cost
		else
			check "$type: 100 settles cost $cost bytes, without $plain_cost" \
				test $((cost - plain_cost)) -le $((2 * MiB))
		fi
		release_filesystem
	done
}

cat >"$SCRATCH/closes.py" <<'END_OF_PYTHON'
import os

RW = os.O_RDWR | os.O_CREAT

# Two descriptions; a growing ftruncate leaves the blocks past the new end, too.
first, second = os.open('grown.data', RW), os.open('grown.data', RW)
os.write(second, b'g')
os.ftruncate(second, 16384)
os.close(second)
os.close(first)

# Settled by a gap; then XFS allocates ahead by itself.
fd = os.open('gap.data', RW)
os.write(fd, b'g')
os.pwrite(fd, b'g', 1114198)
for size in (1 << 18, 1 << 19, 1 << 19):
    os.write(fd, b's' * size)
os.close(fd)

# What a growing ftruncate adds is a hole, whatever was allocated there.
fd = os.open('hole.data', RW)
os.write(fd, b'h')
os.ftruncate(fd, 64 << 20)
os.close(fd)

# Closed by an exec.
fd = os.open('exec.data', RW)
os.write(fd, b'e')
os.execvp('true', ['true'])
END_OF_PYTHON

# Left to the end of the program.
cat >"$SCRATCH/leaves.py" <<'END_OF_PYTHON'
import os, sys

def opened(name):
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    os.write(fd, b'x')

opened(sys.argv[1] + '.data')
if sys.argv[1] == '_exit':
    os._exit(0)
END_OF_PYTHON

# At the last close it is all given back, whoever of the file's descriptions has caused it.
closed() {
	local type=$1 run prefix file bytes

	for run in $MODES; do
		with_filesystem "$type" || {
			skip "$type: closed" "$no_filesystem"
			return
		}
		set_prefix "$run" '*.data'
		(cd "$MNT" && "${prefix[@]}" "$PYTHON" "$SCRATCH/closes.py")
		for file in exit _exit; do
			(cd "$MNT" && "${prefix[@]}" "$PYTHON" "$SCRATCH/leaves.py" $file)
		done
		for file in grown gap exec exit _exit; do
			bytes=$(($(stat -c '%b * 512 - %s' "$MNT/$file.data")))
			check "$type, $run: $file.data is closed and has $bytes bytes past its end" \
				test "$bytes" -le "$MiB"
		done
		bytes=$(($(stat -c '%b * 512' "$MNT/hole.data")))
		check "$type, $run: a hole of 64 MiB takes $bytes bytes" test "$bytes" -le "$MiB"
		release_filesystem
	done
}

cat >"$SCRATCH/fill.py" <<'END_OF_PYTHON'
import errno, os, sys

def append(fd, n, piece):
    """Until n bytes are written or the filesystem is full; what was written, and the errno."""
    done = 0
    while done < n:
        try:
            done += os.write(fd, piece[:n - done])
        except OSError as e:
            return done, errno.errorcode[e.errno]
    return done, 'fits'

first = os.open('first.data', os.O_RDWR | os.O_CREAT)
second = os.open('second.data', os.O_RDWR | os.O_CREAT | os.O_APPEND)
wrote_first, how = append(first, 1 << 20, b'a' * 5000)
print('first', wrote_first, how)
wrote_second, how = append(second, 1 << 40, b'b' * 65536)
print('second is', how)
more, _ = append(first, 100, b'a' * 100)
wrote_first += more
for name, fd, wrote, letter in (('first', first, wrote_first, b'a'),
                                ('second', second, wrote_second, b'b')):
    print(name, os.fstat(fd).st_size == wrote, os.lseek(fd, 0, os.SEEK_END) == wrote)
    os.close(fd)
    with open(name + '.data', 'rb') as f:
        text = f.read()
    print(name, len(text) == wrote, text.count(letter) == wrote)
with open(sys.argv[1], 'w') as f:
    print(wrote_second, file=f)
END_OF_PYTHON

# The same, where what fills it is a file that no rule matches.
cat >"$SCRATCH/fill-beside.py" <<'END_OF_PYTHON'
import errno, os, sys

managed = os.open('first.data', os.O_RDWR | os.O_CREAT)
beside = os.open('beside', os.O_RDWR | os.O_CREAT)
for i in range(100):
    os.write(managed, b'a' * 5000)
wrote = 0
try:
    while True:
        wrote += os.write(beside, b'b' * 65536)
except OSError as e:
    print(errno.errorcode[e.errno])
print(os.fstat(managed).st_size, os.fstat(beside).st_size == wrote)
with open(sys.argv[1], 'w') as f:
    print(wrote, file=f)
END_OF_PYTHON

is_full() { # TYPE SCRIPT
	local type=$1 run free prefix plain_wrote=0 wrote

	for run in plain $MODES; do
		with_filesystem "$type" 330M || {
			skip "$type: full" "$no_filesystem"
			return
		}
		# Less than the library would like to allocate ahead.
		free=$(stat -f -c '%S %a' "$MNT" | awk '{ printf "%.0f\n", $1 * $2 }')
		fallocate -l $((free - 60 * MiB)) "$MNT/filler"
		prefix=()
		[ "$run" = plain ] || set_prefix "$run" '*.data'
		(cd "$MNT" && "${prefix[@]}" "$PYTHON" "$SCRATCH/$2" "$SCRATCH/wrote") \
			>"$SCRATCH/full.$run" 2>&1
		wrote=$(cat "$SCRATCH/wrote")
		diag "$type, $run: $wrote bytes until it was full"
		if [ "$run" = plain ]; then
			plain_wrote=$wrote
		else
			is "$type, mode $run: full as without, by $2" "$(cat "$SCRATCH/full.$run")" \
				"$(cat "$SCRATCH/full.plain")"
			# What is held ahead for one file must not be missing to the other.
			check "$type, mode $run: as much fits as without, by $2" \
				test "$wrote" -ge $((plain_wrote - 4 * MiB))
		fi
		release_filesystem
	done
	is "$type: without the library all is well, by $2" "$(grep -c False "$SCRATCH/full.plain")" 0
}

for type in $FILESYSTEMS; do
	diag "$type"
	comes_back "$type"
	settled_often "$type"
	closed "$type"
	is_full "$type" fill.py
	is_full "$type" fill-beside.py
done
done_testing
