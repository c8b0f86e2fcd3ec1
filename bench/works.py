# SPDX-License-Identifier: GPL-2.0-or-later
"""The works: each is done in one way in an empty directory and gives one figure."""
import contextlib
import re
import subprocess
import threading

import commands
import costs
import inputs
import programs
from work import Work

BY_HAND = ["plain", "keep", "zero", "write", "auto", "hand", "hand-write"]
SECONDS = "seconds; less is better"


class Appends:
    """The works of bench/append, which does nothing but append to *.log."""

    def __init__(self, library):
        self.library = library
        self.program = f"{library.build}/bench/append"

    def append(self, *options, count=1500):
        """Appends per second."""
        def work(way, directory):
            by_hand = {"hand": ["-p"], "hand-write": ["-P"]}.get(way, [])
            return float(self.library.output(way, ["*.log"], self.program, *by_hand, *options, str(count),
                                             f"{directory}/a.log"))
        return work

    def beside(self, *options, count=2000):
        """The library's throughput, that of the same program by hand being 1: on two files in turn."""
        def work(way, directory):
            by_hand = "-P" if way == "write" else "-p"
            return float(self.library.output(way, ["*.log"], self.program, by_hand, "-b", f"{directory}/by-hand",
                                             *options, str(count), f"{directory}/a.log"))
        return work

    def challenged(self, way, directory):
        """The same, while somebody else opens the file twenty times a second."""
        path, done = f"{directory}/a.log", threading.Event()

        def opens():
            while not done.wait(0.05):
                with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
                    file.read(1)
        reader = threading.Thread(target=opens)
        reader.start()
        try:
            return float(self.library.output(way, ["*.log"], self.program, "4096", "5000", path))
        finally:
            done.set()
            reader.join()

    def extents(self, way, directory):
        """Eight programs that append 16 KiB and sync every fourth, 16 MiB each: extents of a file."""
        names = [f"{directory}/{number}.log" for number in range(8)]
        running = []
        try:
            for name in names:
                running.append(subprocess.Popen([*self.library.managed(way, ["*.log"]), self.program, "-e", "4",
                                                 "16384", "1024", name], stdout=subprocess.DEVNULL))
            if any([process.wait() for process in running]):
                raise RuntimeError("append has failed")
        finally:
            for process in running:
                process.terminate()
                process.wait()
        said = commands.output("filefrag", *names)
        return sum(int(n) for n in re.findall(r": (\d+) extent", said)) / len(names)


def append_works(appends):
    works = [Work(f"append + fdatasync, {size} B", appends.append(size), BY_HAND)
             for size in ("100", "1000", "4096", "16384")]
    works += [Work(f"synced append beside by hand, {size} B{how}", appends.beside(*options, size),
                   ["zero", "write"], unit="by hand is 1")
              for how, options in (("", ()), (", pwrite", ("-w",)), (", O_APPEND", ("-a",)))
              for size in ("100", "1000", "4096", "16384")]
    return works + [
        Work("append + fdatasync, 100 B, pwrite", appends.append("-w", "100"), BY_HAND),
        Work("append + fdatasync, 4096 B, pwrite", appends.append("-w", "4096"), BY_HAND),
        Work("append + fdatasync, 100 B, O_APPEND", appends.append("-a", "100"), BY_HAND),
        Work("append + fdatasync, 4096 B, O_APPEND", appends.append("-a", "4096"), BY_HAND),
        Work("append + fdatasync, 100 B ending in zeroes", appends.append("-z", "100"), BY_HAND),
        Work("append + fdatasync, 4096 B ending in zeroes", appends.append("-z", "4096"), BY_HAND),
        Work("append + fdatasync, 4096 B, 20 opens/s", appends.challenged),
        Work("append, 4096 B", appends.append("-s", "4096", count=20000), ["plain", "auto"]),
        Work("append, 65536 B", appends.append("-s", "65536", count=4000), ["plain", "auto"]),
        Work("8 programs, 16 KiB, sync every 4th", appends.extents, ["plain", "keep", "zero", "write", "auto"],
             unit="extents of a file; less is better", needs=["filefrag"]),
    ]


def program_works(real):
    redis, qemu = ["redis-server", "redis-cli", "redis-benchmark"], ["plain", "qemu", "zero", "auto"]
    return [
        Work("redis, appendfsync always, 1 client", real.redis(1, 8000), needs=redis),
        Work("redis, appendfsync always, 20 clients", real.redis(20, 60000), needs=redis),
        Work("RocksDB fillsync, 100 B", real.rocksdb(True), needs=["db_bench"]),
        Work("RocksDB fillsync, 100 B, no allow_fallocate", real.rocksdb(False), needs=["db_bench"]),
        Work("PostgreSQL pgbench, 1 client", real.pgbench, needs=programs.POSTGRES_NEEDS),
        Work("rsyslog, omfile sync on", real.rsyslog, needs=["rsyslogd"]),
        Work("SQLite commits, WAL", real.sqlite("WAL")),
        # A fixed step ahead of a file that lives for one transaction is a disaster: not timed each time.
        Work("SQLite commits, rollback journal", real.sqlite("DELETE"), ["plain", "auto"]),
        Work("tar x, files of 1 to 64 KiB", real.untar, ["plain", "auto"], needs=["tar"]),
        Work("git clone, files of 0.5 to 8 KiB", real.clone, ["plain", "auto"], needs=["git"]),
        # Beside QEMU's own filter, which is what the library has to equal.
        Work("qemu-img convert to qcow2, 256 MiB", real.qemu_convert, qemu, SECONDS, ["qemu-img"], base="qemu"),
        Work("qemu-img bench, 64 KiB, flush each", real.qemu_bench, qemu, SECONDS, ["qemu-img"], base="qemu"),
        Work("qemu-io, 64 KiB, flush every 4th", real.qemu_io, qemu, SECONDS, ["qemu-img", "qemu-io"],
             base="qemu"),
    ]


def all_works(build, directory):
    """Those of the build tree; inputs are made in the directory, which is the caller's to remove."""
    library = commands.Library(build)
    return [*append_works(Appends(library)), *program_works(programs.Programs(library, inputs.Inputs(directory))),
            *costs.cost_works(library)]
