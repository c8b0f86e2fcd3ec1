#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Scripts that write, seek, truncate and append leave the same files and say the same.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need python3 perl dd

cat >"$SCRATCH/script.sh" <<'EOF_BASH'
echo one >redirected
echo two >>redirected
for i in 1 2 3 4 5; do echo "line $i"; done >>redirected
{ echo group; (echo subshell; bash -c 'echo child'); echo after; } >>redirected
seq 1 1000 | sort -n | tee teed | tail -n 3 >>redirected
(for i in $(seq 100); do echo "background $i"; done) >>background & wait
exec 5>>held
echo first >&5; /bin/echo second >&5; (echo third >&5); stat -c %s held; echo fourth >&5
exec 5>&-
wc -c <held
exec 6<>both; echo hello >&6; cat <&6; echo more >&6; exec 6>&-
: >emptied; echo x >emptied; : >emptied
cat >here <<X
a here document
X
cat redirected >>redirected.copy; cat redirected.copy held >joined
set -C; echo no >joined; set +C
printf 'no newline' >>joined; truncate -s 3 redirected.copy; truncate -s +10 here
ls -l --time-style=+ | awk '{ print $1, $5, $6 }'
md5sum redirected teed background held both joined
EOF_BASH

cat >"$SCRATCH/dd.sh" <<'EOF_DD'
seq 1 50000 >input
dd if=input of=plain bs=777 2>/dev/null
dd if=input of=notrunc bs=64k 2>/dev/null
dd if=input of=notrunc bs=100 seek=3 count=2 conv=notrunc 2>/dev/null; stat -c %s notrunc
dd if=input of=cut bs=100 2>/dev/null; dd if=input of=cut bs=100 seek=3 count=2 2>/dev/null
for i in 1 2 3; do dd if=input of=appended bs=1000 count=$i oflag=append conv=notrunc 2>/dev/null; done
dd if=input of=beyond bs=1000 seek=5000 count=3 2>/dev/null; stat -c %s beyond
dd if=/dev/null of=grown bs=1 seek=123456 2>/dev/null
dd if=input of=synced bs=512 count=50 oflag=dsync 2>/dev/null
dd if=input of=sparse bs=4k conv=sparse,fsync 2>/dev/null
dd if=input of=direct bs=4096 count=20 oflag=direct conv=notrunc 2>/dev/null || :
stat -c '%n %s' *
EOF_DD

cat >"$SCRATCH/script.py" <<'EOF_PYTHON'
import io, mmap, os, shutil, subprocess, tempfile

def show(name):
    print(name, os.stat(name).st_size, os.path.getsize(name))

with open('written', 'w') as f:
    for i in range(5000):
        f.write('line %d\n' % i)
    print(f.tell())
    f.flush()
    print(os.fstat(f.fileno()).st_size)
    f.truncate(1000); print(f.tell()); f.seek(0, 2); print(f.tell()); f.write('end')
show('written')
with open('appended', 'ab', buffering=0) as f:
    for i in range(300):
        assert f.write(b'x' * i) == i
        assert f.tell() == os.fstat(f.fileno()).st_size == i * (i + 1) // 2
    f.truncate(10)
    f.write(b'after')
show('appended')
with open('updated', 'w+b') as f:
    f.write(b'a' * 10000); f.seek(100); f.write(b'B' * 50); f.seek(-5, 2)
    print(f.read()); f.seek(20000); f.write(b'far'); f.seek(9990); print(f.read())
show('updated')

fd = os.open('raw', os.O_RDWR | os.O_CREAT)
print(os.write(fd, b'0' * 4096), os.lseek(fd, 0, os.SEEK_END), os.lseek(fd, 0, os.SEEK_CUR))
print(os.pwrite(fd, b'1' * 10, 5000), os.lseek(fd, 0, os.SEEK_END))
print(os.pread(fd, 100000, 4000), os.pread(fd, 10, 5010), os.read(fd, 10))
print(os.writev(fd, [b'v' * 10, b'w' * 20]), os.readv(fd, [bytearray(5)]))
print(os.preadv(fd, [bytearray(50), bytearray(50)], 5000))
try:
    print(os.lseek(fd, 5040, os.SEEK_DATA))
except OSError as e:
    print(e.errno)
print(os.lseek(fd, 0, os.SEEK_HOLE) <= 5040)
os.ftruncate(fd, 6000); print(os.fstat(fd).st_size); os.ftruncate(fd, 10)
print(os.fstat(fd).st_size, os.pread(fd, 100, 0))
os.posix_fallocate(fd, 0, 100); print(os.fstat(fd).st_size)
other = os.open('raw', os.O_RDONLY)
os.write(fd, b'z' * 100); print(os.fstat(other).st_size, len(os.read(other, 10 ** 6)))
dup = os.dup(fd); os.close(fd); os.write(dup, b'dup'); print(os.fstat(dup).st_size)
os.close(other); os.close(dup)
show('raw')

with open('mapped', 'w+b') as f:
    f.write(b'm' * 5000); f.flush()
    with mmap.mmap(f.fileno(), 0) as m:
        print(len(m)); m[10:13] = b'map'
    f.write(b'after')
with open('copied', 'wb') as f, open('written', 'rb') as g:
    f.write(b'head')
    f.flush()
    shutil.copyfileobj(g, f)
    print(os.sendfile(f.fileno(), g.fileno(), 0, 100))
    f.seek(0, 2)
    print(f.tell())
shutil.copy2('written', 'copy2'); os.rename('copy2', 'renamed'); os.link('renamed', 'linked')
with open('renamed', 'ab') as f:
    f.write(b'more'); f.flush(); os.rename('renamed', 'renamed again'); f.write(b'and more')
show('linked')
with open('unlinked', 'wb') as f:
    f.write(b'gone'); f.flush(); os.unlink('unlinked'); f.write(b'x'); f.flush()
    print(os.fstat(f.fileno()).st_size)
with open('spawned', 'wb') as f:
    f.write(b'before\n'); f.flush()
    subprocess.run(['echo', 'child'], stdout=f)
    f.seek(0, 2); f.write(b'after\n')
with tempfile.NamedTemporaryFile(dir='.', delete=False) as f:
    f.write(b't' * 3000); f.flush(); print(os.stat(f.name).st_size)
os.rename(f.name, 'temporary')
os.truncate('temporary', 1234)
fd = os.open('timed', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'x'); os.utime(fd, (1e9, 1e9)); os.close(fd); print(os.stat('timed').st_mtime)
with open('timed', 'ab') as f:
    f.write(b'y'); f.flush(); os.utime('timed', (1e9, 1e9)); os.chmod('timed', 0o4755)
print(os.stat('timed').st_mtime, oct(os.stat('timed').st_mode))
EOF_PYTHON

cat >"$SCRATCH/script.pl" <<'EOF_PERL'
use strict; use warnings; use Fcntl qw(:DEFAULT :seek); use IO::Handle;
open(my $f, '>', 'written') or die; print $f "line $_\n" for 1 .. 2000;
print tell($f), "\n"; seek($f, 100, SEEK_SET); print $f "HERE"; truncate($f, 5000);
seek($f, 0, SEEK_END); print tell($f), " ", -s $f, "\n"; print $f "tail\n"; close $f;
open($f, '>>', 'appended'); $f->autoflush(1);
for (1 .. 100) { print $f "x" x $_; print -s 'appended', "\n" if $_ % 25 == 0; }
close $f;
open($f, '+<', 'written'); seek($f, -5, SEEK_END); print scalar <$f>; print $f "more"; close $f;
sysopen($f, 'raw', O_RDWR | O_CREAT | O_APPEND) or die;
syswrite($f, "a" x 5000); sysseek($f, 10, SEEK_SET); syswrite($f, "b" x 10);
print sysseek($f, 0, SEEK_CUR), " ", -s $f, "\n"; sysseek($f, 4995, SEEK_SET);
sysread($f, my $read, 100); print "$read\n"; close $f;
truncate('raw', 100); print -s 'raw', "\n";
open($f, '|-', 'cat >>piped') or die; print $f "through a pipe\n"; close $f;
open(STDOUT, '>>', 'stdout') or die; system('echo child'); print "parent\n";
EOF_PERL

scripts() {
	differential "$1: bash redirections, pipelines, subshells" '*' bash "$SCRATCH/script.sh"
	differential "$1: dd notrunc, append, far seeks" '*' bash "$SCRATCH/dd.sh"
	differential "$1: python3" '*' "$PYTHON" -B "$SCRATCH/script.py"
	differential "$1: perl" '*' perl "$SCRATCH/script.pl"
}

for_each_filesystem scripts
done_testing
