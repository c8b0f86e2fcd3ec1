# SPDX-License-Identifier: GPL-2.0-or-later
"""Works that real programs do. Each method is, or makes, a function(way, directory) that gives one figure."""
import contextlib
import glob
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import inputs
from commands import figure, output, serving

os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin",
                                      *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True),
                                      *sorted(glob.glob("/usr/pgsql-*/bin"), reverse=True)])
POSTGRES_NEEDS = ["initdb", "postgres", "pg_isready", "pgbench"]
if os.getuid() == 0:
    POSTGRES_NEEDS.append("user postgres")  # PostgreSQL refuses root

ROCKSDB_OPTIONS = """[Version]
  rocksdb_version=7.8.3
  options_file_version=1.1
[DBOptions]
  create_if_missing=true
  allow_fallocate=false
[CFOptions "default"]
[TableOptions/BlockBasedTable "default"]
"""

# A batch of one message, so that each is synced. The pipe tells when the last one has been.
RSYSLOG_CONFIGURATION = """global(workDirectory="{directory}")
main_queue(queue.size="100000" queue.dequeueBatchSize="1")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{directory}/socket" RateLimit.Interval="0")
template(name="bare" type="string" string="%msg:::drop-last-lf%\\n")
action(type="omfile" File="{directory}/messages.log" Template="bare" sync="on" asyncWriting="off")
if $msg contains "last message" then action(type="ompipe" Pipe="{directory}/pipe" Template="bare")
"""

# QEMU's filter with what are the library's defaults.
QEMU_FILTER = ("driver=qcow2,file.driver=preallocate,file.prealloc-size=128M,file.prealloc-align=1M,"
               "file.file.driver=file,file.file.filename=")
QEMU_PLAIN = "driver=qcow2,file.driver=file,file.filename="


class Programs:
    def __init__(self, library, made):
        self.library, self.made = library, made

    def redis(self, clients, requests):
        """SET of 100 bytes, each synced (with more clients: some together); requests per second."""
        def work(way, directory):
            at = f"{directory}/s"
            command = [*self.library.managed(way, ["*.aof"]), "redis-server", "--port", "0", "--unixsocket", at,
                       "--dir", directory, "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
            with serving(command, lambda: succeeds("redis-cli", "-s", at, "ping")):
                return figure(r'^"SET","([\d.]+)"', output(
                    "redis-benchmark", "-s", at, "-t", "set", "-n", str(requests), "-c", str(clients), "-d", "100",
                    "--csv"))
        return work

    def rocksdb(self, fallocate):
        """db_bench fillsync of 100 bytes; with RocksDB's own fallocate or without; writes per second."""
        def work(way, directory):
            options = []
            if not fallocate:
                write_file(f"{directory}/options.ini", ROCKSDB_OPTIONS)
                options = [f"--options_file={directory}/options.ini"]
            return figure(r"^fillsync.* (\d+) ops/sec", self.library.output(
                way, ["*.log"], "db_bench", *options, "--benchmarks=fillsync", "--num=5000", "--value_size=100",
                f"--db={directory}/rocks"))
        return work

    def sqlite(self, journal):
        """Transactions that insert a row of 300 bytes; commits per second."""
        def work(way, directory):
            return float(self.library.output(way, ["*.db*"], sys.executable, __file__, "sqlite",
                                             f"{directory}/a.db", journal))
        return work

    def pgbench(self, way, directory):
        """pgbench's own transaction (TPC-B-like), one client, on a new cluster; transactions per second."""
        data, account = f"{directory}/data", {"cwd": "/"}
        if os.getuid() == 0:
            account.update(user="postgres", group="postgres", extra_groups=[])
            shutil.chown(directory, "postgres", "postgres")
        # The server may be another user, who need not be able to read the build tree.
        built = self.copy_of_library(f"{directory}/built")
        output("initdb", "-D", data, "--auth=trust", "--username=postgres", "--no-locale", "--encoding=UTF8",
               **account)
        server = [*built.managed(way, [f"{data}/**"]), "postgres", "-D", data, "-c", "listen_addresses=",
                  "-c", f"unix_socket_directories={directory}"]
        there = ["-h", directory, "-U", "postgres"]
        with serving(server, lambda: succeeds("pg_isready", *there), stop=signal.SIGINT, **account):
            output("pgbench", *there, "-i", "-q", "-s", "1", "postgres")
            return figure(r"^tps = ([\d.]+)", output("pgbench", *there, "-c", "1", "-t", "3000", "postgres"))

    def copy_of_library(self, path):
        os.makedirs(f"{path}/.libs")
        for name in ("preallocate", "preallocate-guardian", ".libs/libpreallocate.so"):
            shutil.copy(f"{self.library.build}/{name}", f"{path}/{name}")
        return type(self.library)(path)

    def rsyslog(self, way, directory, count=5000):
        """Messages of some 100 bytes through a socket, each written and synced; messages per second."""
        write_file(f"{directory}/conf", RSYSLOG_CONFIGURATION.format(directory=directory))
        os.mkfifo(f"{directory}/pipe")
        command = [*self.library.managed(way, ["*.log"]), "rsyslogd", "-n", "-f", f"{directory}/conf", "-i",
                   f"{directory}/pid"]
        with open(os.open(f"{directory}/pipe", os.O_RDONLY | os.O_NONBLOCK), "rb") as pipe, \
                serving(command, lambda: os.path.exists(f"{directory}/socket")), \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(60)
            sender.connect(f"{directory}/socket")
            started = time.monotonic()
            for number in range(1, count):
                sender.send(b"<13>Jan  1 00:00:00 bench: message %d %s" % (number, b"m" * 80))
            sender.send(b"<13>Jan  1 00:00:00 bench: last message")
            if not select.select([pipe], [], [], 60)[0]:
                raise RuntimeError("rsyslogd: the last message isn't written after 60 s")
            seconds = time.monotonic() - started
        with open(f"{directory}/messages.log", "rb") as log:
            written = sum(1 for _ in log)
        if written != count:
            raise RuntimeError(f"rsyslogd: {written} of {count} messages are in the log")
        return count / seconds

    def untar(self, way, directory):
        """Files of 1 to 64 KiB; files per second."""
        archive = self.made.archive
        started = time.monotonic()
        subprocess.run([*self.library.managed(way, ["*"]), "tar", "-x", "-C", directory], check=True, input=archive)
        return inputs.FILES / (time.monotonic() - started)

    def clone(self, way, directory):
        """git clone by way of a pack; files of the work tree per second."""
        source = f"file://{self.made.repository}"
        started = time.monotonic()
        inputs.git("clone", "-q", source, f"{directory}/clone", before=self.library.managed(way, ["*"]))
        return inputs.FILES / (time.monotonic() - started)

    def qemu(self, way, directory, *command, **more):
        """Seconds for a QEMU tool, from start to end, on a new qcow2 image: its name is the last argument."""
        image = f"{directory}/disk.qcow2"
        output("qemu-img", "create", "-q", "-f", "qcow2", image, str(inputs.IMAGE_SIZE))
        name = (QEMU_FILTER if way == "qemu" else QEMU_PLAIN) + image
        started = time.monotonic()
        said = self.library.output(way, ["*.qcow2"], *command, name, **more)
        seconds = time.monotonic() - started
        if "failed" in said:
            raise RuntimeError(f"{command[0]}: {said.strip().splitlines()[-1]}")
        return seconds

    def qemu_convert(self, way, directory):
        """A raw image of 256 MiB to qcow2, flushed at the end; seconds."""
        return self.qemu(way, directory, "qemu-img", "convert", "-n", "-t", "writeback", "-f", "raw",
                         "--target-image-opts", self.made.image)

    def qemu_bench(self, way, directory):
        """1500 writes of 64 KiB, one after the other, into clusters not yet allocated, a flush after each; seconds."""
        return self.qemu(way, directory, "qemu-img", "bench", "-w", "-c", "1500", "-d", "1", "-s", "65536",
                         "--flush-interval=1", "--pattern=97", "-t", "writeback", "--image-opts")

    def qemu_io(self, way, directory):
        """4000 writes of 64 KiB, one after the other, into clusters not yet allocated, a flush after every fourth;
        seconds."""
        writes = [f"write {number}k 64k\n" + ("flush\n" if number % 256 == 192 else "")
                  for number in range(0, 4000 * 64, 64)]
        return self.qemu(way, directory, "qemu-io", "-t", "writeback", "--image-opts", input="".join(writes))


def succeeds(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def commits(path, journal, count=2000):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode={journal}")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE rows(number INTEGER PRIMARY KEY, value BLOB)")
        started = time.monotonic()
        for number in range(count):
            database.execute("INSERT INTO rows VALUES(?, ?)", (number, b"v" * 300))
        print(count / (time.monotonic() - started))


if __name__ == "__main__":
    commits(*sys.argv[2:])
