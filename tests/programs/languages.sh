#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Programs in Java, JavaScript, Perl, Ruby and PHP say the same and leave the same files.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/common.sh"

sources=$(cd "$(dirname "$0")" && pwd)

cat >"$SCRATCH/perl.sh" <<'END_OF_SHELL'
seq 1 20000 >numbers.data
perl -i -pe 's/^(\d+)0$/ten times $1/' numbers.data
perl -i.bak -ne 'print unless /7/' numbers.data
perl -e '
use strict; use warnings; use Fcntl qw(:DEFAULT :seek :flock); use IO::File;
sysopen(my $f, "raw.data", O_RDWR | O_CREAT | O_EXCL, 0640) or die;
syswrite($f, "x" x $_) for 1 .. 300;
print sysseek($f, 0, SEEK_CUR), " ", -s $f, "\n";
truncate($f, 20000) or die; print -s $f, " ", sysseek($f, 0, SEEK_CUR), "\n";
syswrite($f, "behind a hole"); sysseek($f, 44990, SEEK_SET) or die;
my $read; print sysread($f, $read, 1000), " ", sysread($f, $read, 1000), "\n";
truncate($f, 50000); syswrite($f, "y"); print -s $f, "\n"; close $f;
sysopen($f, "append.data", O_WRONLY | O_CREAT | O_APPEND) or die; flock($f, LOCK_EX) or die;
syswrite($f, "line $_\n" x 20) for 1 .. 2000;
print -s $f, " ", sysseek($f, 0, SEEK_CUR), "\n"; truncate($f, 100); syswrite($f, "cut\n");
print -s "append.data", "\n";
if (my $child = fork) { waitpid $child, 0 } else { syswrite($f, "child\n"); exit }
syswrite($f, "parent\n"); print -s $f, "\n"; utime(1e9, 1e9, $f); close $f;
print +(stat "append.data")[9], "\n"; truncate("append.data", 50); print -s "append.data", "\n";
my $o = IO::File->new("object.data", "a+"); $o->autoflush; $o->print("z" x $_) for 1 .. 100;
$o->seek(-3, SEEK_END); print $o->getline, " ", $o->tell, "\n"; $o->close;
open(my $dup, ">>&", IO::File->new("object.data", ">>")) or die; syswrite($dup, "by dup"); close $dup;
print -s "object.data", "\n"'
END_OF_SHELL

cat >"$SCRATCH/files.rb" <<'END_OF_RUBY'
# encoding: utf-8
File.open('written.data', 'w+') do |f|
  f.sync = true
  500.times { |i| f.write('r' * i) }
  puts f.size, f.pos, f.stat.size
  f.truncate(1000); f.seek(0, IO::SEEK_END); puts f.pos
  f.write('tail'); f.seek(-10, IO::SEEK_END); puts f.read, f.eof?
  f.pwrite('far', 100_000); puts f.size, f.pread(100, 99_999).bytes.inspect
  f.fdatasync; f.flock(File::LOCK_EX); f.puts 'more'; puts f.size
end
File.open('append.data', File::WRONLY | File::CREAT | File::APPEND) do |f|
  300.times { |i| f.syswrite("line #{i}\n") }
  puts f.size, f.sysseek(0, IO::SEEK_CUR)
  system('echo from a child', out: f); f.syswrite("after\n"); puts f.size
  pid = fork { f.syswrite("forked\n"); exit! }
  Process.wait(pid); f.syswrite("parent\n"); puts f.size
end
File.truncate('append.data', 77); puts File.size('append.data')
10.times { File.write('whole.data', 'w' * 10_000, mode: 'a') }
File.write('whole.data', 'patched', 500); puts File.size('whole.data')
IO.copy_stream('whole.data', 'copied.data'); IO.copy_stream('written.data', 'copied.data', 100)
puts File.size('copied.data')
6.times.map { |t| Thread.new { File.open('threads.data', 'a') { |f| 200.times { f.syswrite("#{t}" * 9 + "\n") } } } }.each(&:join)
puts File.readlines('threads.data').tally.sort.inspect
File.delete('threads.data')
END_OF_RUBY

cat >"$SCRATCH/files.php" <<'END_OF_PHP'
<?php
$f = fopen('written.data', 'w+');
for ($i = 0; $i < 500; $i++) fwrite($f, str_repeat('p', $i));
echo ftell($f), ' ', fstat($f)['size'], "\n";
ftruncate($f, 1000); fseek($f, 0, SEEK_END); echo ftell($f), "\n"; fwrite($f, 'tail');
fseek($f, 50000); fwrite($f, 'far'); echo fstat($f)['size'], "\n"; fclose($f);
for ($i = 0; $i < 100; $i++) file_put_contents('append.data', "line $i\n", FILE_APPEND | LOCK_EX);
echo filesize('append.data'), "\n";
$f = fopen('append.data', 'a'); for ($i = 0; $i < 100; $i++) fwrite($f, "more $i\n");
flock($f, LOCK_EX); fflush($f); clearstatcache(); echo filesize('append.data'), "\n"; fclose($f);
copy('append.data', 'copy.data'); rename('copy.data', 'renamed.data'); echo filesize('renamed.data'), "\n";
END_OF_PHP

language() { # TYPE PROGRAM arguments...
	if command -v "$2" >/dev/null; then
		differential_used "$1: $2" '*.data' "${@:2}"
	else
		skip "$1: $2" "$2 is not installed"
	fi
}

# A ring's writes can't be seen, so nothing is extended for a program that sets one up.
through_a_ring() { # TYPE, where node is installed
	local mode modes=$MODES MODES

	for mode in $modes; do
		MODES=$mode
		new_report
		differential "$1: node, with libuv's io_uring" '*.data' \
			env UV_USE_IO_URING=1 node "$sources/files.mjs"
		library_left_out || is "$1, mode $mode: a ring was seen, so nothing is extended" \
			"$(reported '' extensions) $(sed -n '/"fallback":"[^"]*async/p' "$REPORT" |
				wc -l | awk '{ print ($1 > 9) ? "async" : "few" }')" '0 async'
	done
}

# Compiled once; the virtual machine keeps no file of its own here.
java_class=
if command -v javac >/dev/null && javac -d "$SCRATCH" "$sources/JavaFiles.java" 2>"$SCRATCH/javac"; then
	java_class=JavaFiles
fi

languages() {
	if [ "$java_class" ]; then
		language "$1" java -XX:+UseSerialGC -XX:-UsePerfData -cp "$SCRATCH" $java_class
	else
		skip "$1: java" "javac is not installed"
	fi
	language "$1" node "$sources/files.mjs"
	! command -v node >/dev/null || through_a_ring "$1"
	language "$1" bash "$SCRATCH/perl.sh"
	language "$1" ruby "$SCRATCH/files.rb"
	language "$1" php "$SCRATCH/files.php"
}

rotate "ext4:zero xfs:keep btrfs:zero tmpfs:zero tmpfs:keep" languages
done_testing
