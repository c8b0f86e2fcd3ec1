# SPDX-License-Identifier: GPL-2.0-or-later
"""The works: each is done in one way in an empty directory and gives one figure."""
import contextlib
import io
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time

MODES = ["plain", "zero", "write", "auto"]


class Work:
    """run(way, directory): the figure. More is better, except where the unit says otherwise."""

    def __init__(self, title, function, ways=None, unit="per second", needs=()):
        self.title, self.function, self.unit = title, function, unit
        self.ways = ways or MODES
        self.needs = needs

    def missing(self):
        return " ".join(name for name in self.needs if not shutil.which(name))

    def run(self, way, directory):
        inside = f"{directory}/work"
        os.mkdir(inside)
        try:
            return self.function(way, inside)
        finally:
            shutil.rmtree(inside)


class Programs:
    def __init__(self, build):
        self.build = build

    def managed(self, way, patterns):
        if way in ("plain", "hand", "hand-write"):
            return []
        rules = [word for pattern in patterns for word in ("-m", pattern)]
        return [f"{self.build}/preallocate", "run", f"--mode={way}", *rules, "--"]

    def output(self, way, patterns, *command, **more):
        return subprocess.run([*self.managed(way, patterns), *command], check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more).stdout

    def append(self, *options, count=1500):
        def work(way, directory):
            by_hand = {"hand": ["-p"], "hand-write": ["-P"]}.get(way, [])
            return float(self.output(way, ["*.log"], f"{self.build}/bench/append", *by_hand, *options[:-1],
                                     options[-1], str(count), f"{directory}/a.log"))
        return work

    def extents(self, way, directory):
        """Eight programs that append 16 KiB and sync every fourth, 16 MiB each: extents of a file."""
        names = [f"{directory}/{number}.log" for number in range(8)]
        running = [subprocess.Popen([*self.managed(way, ["*.log"]), f"{self.build}/bench/append", "-e", "4",
                                     "16384", "1024", name], stdout=subprocess.DEVNULL) for name in names]
        if any([process.wait() for process in running]):
            raise RuntimeError("append has failed")
        said = subprocess.run(["filefrag", *names], check=True, text=True, stdout=subprocess.PIPE).stdout
        return sum(int(n) for n in re.findall(r": (\d+) extent", said)) / len(names)

    def redis(self, clients):
        def work(way, directory):
            socket = f"{directory}/s"
            server = subprocess.Popen(
                [*self.managed(way, ["*.aof"]), "redis-server", "--port", "0", "--unixsocket", socket, "--dir",
                 directory, "--save", "", "--appendonly", "yes", "--appendfsync", "always"],
                stdout=subprocess.DEVNULL)
            try:
                while subprocess.run(["redis-cli", "-s", socket, "ping"], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, check=False).returncode:
                    time.sleep(0.05)
                said = subprocess.run(
                    ["redis-benchmark", "-s", socket, "-t", "set", "-n", str(1500 * (1 + clients // 5)), "-c",
                     str(clients), "-d", "100", "--csv"], check=True, text=True, stdout=subprocess.PIPE).stdout
                return float(re.search(r'^"SET","([\d.]+)"', said, re.M).group(1))
            finally:
                server.terminate()
                server.wait()
        return work

    def rocksdb(self, way, directory):
        said = self.output(way, ["*.log"], "db_bench", "--benchmarks=fillsync", "--num=1500", "--value_size=100",
                           f"--db={directory}/rocks")
        return float(re.search(r"^fillsync.* (\d+) ops/sec", said, re.M).group(1))

    def sqlite(self, journal):
        def work(way, directory):
            return float(self.output(way, ["*.db*"], sys.executable, __file__, "sqlite", f"{directory}/a.db",
                                     journal))
        return work

    def untar(self, way, directory):
        started = time.monotonic()
        subprocess.run([*self.managed(way, ["*"]), "tar", "-x", "-C", directory], check=True,
                       input=small_files())
        return 10000 / (time.monotonic() - started)


_archive = None


def small_files():
    global _archive
    if _archive is None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for number in range(10000):
                member = tarfile.TarInfo(f"{number % 100}/{number}")
                member.size = 1024 + number * 7919 % 64512
                archive.addfile(member, io.BytesIO(b"x" * member.size))
        _archive = buffer.getvalue()
    return _archive


def commits(path, journal, count=600):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode={journal}")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE rows(number INTEGER PRIMARY KEY, value BLOB)")
        started = time.monotonic()
        for number in range(count):
            database.execute("INSERT INTO rows VALUES(?, ?)", (number, b"v" * 300))
        print(count / (time.monotonic() - started))


def all_works(build):
    programs = Programs(build)
    works = []
    by_hand = ["plain", "keep", "zero", "write", "auto", "hand", "hand-write"]
    for size in ("100", "1000", "4096", "16384"):
        works.append(Work(f"append + fdatasync, {size} B", programs.append(size), by_hand))
    works += [
        Work("append + fdatasync, 100 B, pwrite", programs.append("-w", "100"), by_hand),
        Work("append + fdatasync, 4096 B, pwrite", programs.append("-w", "4096"), by_hand),
        Work("append + fdatasync, 100 B, O_APPEND", programs.append("-a", "100"), by_hand),
        Work("append + fdatasync, 4096 B, O_APPEND", programs.append("-a", "4096"), by_hand),
        Work("append + fdatasync, 100 B ending in zeroes", programs.append("-z", "100"), by_hand),
        Work("append + fdatasync, 4096 B ending in zeroes", programs.append("-z", "4096"), by_hand),
        Work("append, 4096 B", programs.append("-s", "4096", count=20000), ["plain", "auto"]),
        Work("append, 65536 B", programs.append("-s", "65536", count=4000), ["plain", "auto"]),
        Work("8 programs, 16 KiB, sync every 4th", programs.extents, ["plain", "keep", "zero", "write", "auto"],
             unit="extents of a file; less is better", needs=["filefrag"]),
        Work("redis, appendfsync always, 1 client", programs.redis(1), needs=["redis-server"]),
        Work("redis, appendfsync always, 20 clients", programs.redis(20), needs=["redis-server"]),
        Work("RocksDB fillsync, 100 B", programs.rocksdb, needs=["db_bench"]),
        Work("SQLite commits, WAL", programs.sqlite("WAL")),
        # A fixed step ahead of a file that lives for one transaction is a disaster: not timed each time.
        Work("SQLite commits, rollback journal", programs.sqlite("DELETE"), ["plain", "auto"]),
        Work("tar x, files of 1 to 64 KiB", programs.untar, ["plain", "auto"]),
    ]
    return works


if __name__ == "__main__":
    commits(*sys.argv[2:])
