# SPDX-License-Identifier: GPL-2.0-or-later
"""What the library costs: at a program's start, in each call, with threads, in memory, and as the work grows.

Ways besides the modes: library and unmatched, with twenty rules that match no file of the work; eatmydata, another
preloaded library, for comparison.
"""
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from work import Work

NOT_HERE = 3

# Some with a slash, some without, some in other modes: a configuration as a machine may have it.
OTHERS = ["/var/lib/postgresql/*/*/pg_wal/* mode=zero", "/var/lib/redis/*.aof prealloc-size=64M", "*.aof",
          "*.wal", "*-wal", "/var/lib/mysql/** mode=keep", "*.qcow2 prealloc-size=128M", "*.raw mode=keep",
          "*.vdi", "*.mkv mode=keep", "*.mp4 mode=keep", "*.ts mode=keep", "*.part mode=keep",
          "**/downloads/** mode=keep", "/srv/rocksdb/*.sst mode=auto", "*.journal mode=off",
          "/srv/journal/** mode=keep prealloc-size=8M", "*.iso mode=keep", "/srv/torrents/** mode=keep",
          "*.pcap mode=keep"]

# One file takes 64 KiB only, so that ten thousand fit.
SMALL = ["--prealloc-size=64K", "--prealloc-align=64K"]

MIB, GIB = 1 << 20, 1 << 30

# Processes that are started in a turn, and turns.
BATCH, TURNS = 20, 100


def figure(command, **more):
    """The number that the command prints; NaN if it says that this can't be timed here."""
    done = subprocess.run(command, text=True, capture_output=True, check=False, **more)
    if done.returncode == NOT_HERE:
        return float("nan")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {done.stderr}")
    return float(done.stdout)


def preload_works(library):
    said = subprocess.run(["true"], env={**os.environ, "LD_PRELOAD": library}, check=True, text=True,
                          stderr=subprocess.PIPE).stderr
    return not said


@contextlib.contextmanager
def on_one_cpu():
    """They aren't alike in every virtual machine, and where a process ends up is chance."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cpus)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cpus)


@contextlib.contextmanager
def worker(command, environment):
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.stdin.close()
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, command)


def batch_seconds(process):
    begun = time.monotonic()
    process.stdin.write(b"\n")
    process.stdin.flush()
    if not process.stdout.readline():
        raise RuntimeError(f"{' '.join(process.args)} has ended")
    return time.monotonic() - begun


@contextlib.contextmanager
def on_tmpfs():
    directory = tempfile.mkdtemp(prefix="preallocate-bench.", dir="/dev/shm")
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


class Costs:
    def __init__(self, build):
        self.build = build

    def program(self, name):
        return f"{self.build}/bench/{name}"

    def prefix(self, way, *options):
        """The words in front of a command, to run it in that way. A file stays extended, however long it takes."""
        run = [f"{self.build}/preallocate", "run"]
        if way in ("plain", "eatmydata"):
            return []
        if way in ("library", "unmatched"):
            return [*run, *(word for rule in OTHERS for word in ("-r", rule)), "--"]
        return [*run, "-m", "*.log", f"--mode={way}", "--idle=1h", *options, "--"]

    def started(self, command):
        """Microseconds that each process takes longer to start and end: BATCH of them with and without, in turn. The
        command does a batch for each line that it reads, and says when it has."""
        def work(way, _directory):
            environment = dict(os.environ)
            if way == "eatmydata":
                if not preload_works("libeatmydata.so"):
                    return float("nan")
                environment["LD_PRELOAD"] = "libeatmydata.so"
            managed = [*self.prefix(way), *command]
            with on_one_cpu(), worker(command, os.environ) as plain, worker(managed, environment) as other:
                longer = [-batch_seconds(plain) + batch_seconds(other) for _ in range(TURNS)]
            return statistics.median(longer) / BATCH * 1e6
        return work

    def unmanaged_call(self, call, path=None):
        """Nanoseconds for each call, on a file on tmpfs, or on path."""
        def work(way, _directory):
            if not os.path.isdir("/dev/shm"):
                return float("nan")
            with on_tmpfs() as directory:
                name = path or f"{directory}/a.log"
                return figure([*self.prefix(way), self.program("calls"), call, "1000000", name])
        return work

    def managed_call(self, call, *options):
        """Nanoseconds for each call."""
        def work(way, directory):
            return figure([*self.prefix(way), self.program("calls"), *options, call, "1000000", f"{directory}/a.log"])
        return work

    def scale(self, threads, files, *options, count):
        """Records per second, of all threads."""
        def work(way, directory):
            names = [f"{directory}/{number}.log" for number in range(files)]
            surely = ["-e"] if way == "zero" else []
            return figure([*self.prefix(way), self.program("scale"), *surely, *options, str(threads), str(count),
                           *names])
        return work

    def opened(self, *options):
        """What bench/open prints, of the files in the directory."""
        def work(way, directory):
            surely = ["-e"] if way == "zero" else []
            return figure([*self.prefix(way, *SMALL), self.program("open"), *surely, *options, directory])
        return work

    def helpers_memory(self, files):
        """Bytes of private memory of the library's helper, for each file that is open."""
        def work(way, directory):
            command = [*self.prefix(way, *SMALL), self.program("open"), "-w", "hold", str(files), directory]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                if not process.stdout.readline():
                    process.stdin.close()
                    return not_here(process)
                helpers = [number for number in all_processes() if number != process.pid and holds(number, directory)]
                size = sum(private_memory(number) for number in helpers)
                process.stdin.close()
                if process.wait():
                    raise subprocess.CalledProcessError(process.returncode, command)
            return size / files if helpers or way == "plain" else float("nan")
        return work

    def system_calls(self, *options, count=500):
        """For each file, in the program and the library's helper, what the start takes left out."""
        def traced(way, directory, number):
            inside, summary = f"{directory}/{number}", f"{directory}/{number}.strace"
            os.mkdir(inside)
            subprocess.run(["strace", "-f", "-c", "-o", summary, *self.prefix(way, *SMALL), self.program("open"),
                            *options, "close", str(number), inside], check=True, stdout=subprocess.DEVNULL)
            with open(summary) as file:
                rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", file.read(), re.M)
            return sum(int(calls) for calls, name in rows if name != "total")

        def work(way, directory):
            if not traces():
                return float("nan")
            return (traced(way, directory, count + 1) - traced(way, directory, 1)) / count
        return work

    def grown(self, size, *options, count):
        """Appends of 4096 B per second, to a file that has this size before."""
        def work(way, directory):
            return figure([*self.prefix(way), self.program("append"), *options, "-f", str(size), "4096", str(count),
                           f"{directory}/a.log"])
        return work


def traces():
    """Not in every container."""
    return subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def not_here(process):
    if process.wait() != NOT_HERE:
        raise RuntimeError("open has failed")
    return float("nan")


def all_processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def holds(process, directory):
    """Whether it is the library's helper, and has a file of the directory open."""
    try:
        with open(f"/proc/{process}/comm") as file:
            if not file.read().startswith("preallocate-gua"):
                return False
        for number in os.listdir(f"/proc/{process}/fd"):
            if os.readlink(f"/proc/{process}/fd/{number}").startswith(f"{directory}/"):
                return True
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass  # it has ended, or is another user's
    return False


def private_memory(process):
    with open(f"/proc/{process}/smaps_rollup") as file:
        return sum(int(kib) << 10 for kib in re.findall(r"^Private_\w+: +(\d+) kB", file.read(), re.M))


def once(*works):
    """They don't depend on the filesystem."""
    for work in works:
        work.once = True
    return works


def starts(costs):
    ways, unit = ["eatmydata", "library"], "µs per process more than without; less is better"
    loop = f"while read -r _; do i=0; while [ $i -lt {BATCH} ]; do /bin/true; i=$((i+1)); done; echo; done"
    spawn = [costs.program("spawn"), str(BATCH), "/bin/true"]
    return once(Work("start of a process, posix_spawn", costs.started(spawn), ways, unit, base="eatmydata"),
                Work("start of a process, shell loop", costs.started(["sh", "-c", loop]), ways, unit,
                     base="eatmydata"))


def calls(costs):
    unit = "ns per call; less is better"

    def unmanaged(title, *what):
        return Work(title, costs.unmanaged_call(*what), ["plain", "unmatched"], unit)
    works = once(unmanaged("pwrite 1 B, unmanaged, tmpfs", "pwrite"),
                 unmanaged("pwrite 1 B, /dev/null", "pwrite", "/dev/null"),
                 unmanaged("read 1 B, /dev/null", "read", "/dev/null"),
                 unmanaged("lseek, unmanaged, tmpfs", "lseek"),
                 unmanaged("fstat, unmanaged, tmpfs", "fstat"))
    managed = [Work(f"{title}, {state}", costs.managed_call(call, *options), ["plain", "zero"], unit)
               for state, options in (("managed", []), ("extended", ["-e"]))
               for title, call in (("overwrite 1 B", "pwrite"), ("pread 1 B", "pread"), ("fstat", "fstat"))]
    return [*works, *managed]


def scaling(costs):
    ways, unit = ["plain", "zero", "auto"], "records per second, of all threads"
    return [Work("overwrite 4096 B, 1 thread", costs.scale(1, 1, count=500000), ways, unit),
            Work("overwrite 4096 B, 2 threads, one file", costs.scale(2, 1, count=500000), ways, unit),
            Work("overwrite 4096 B, 2 threads, two files", costs.scale(2, 2, count=500000), ways, unit),
            Work("append 4096 B, 1 thread", costs.scale(1, 1, "-a", count=40000), ways, unit),
            Work("append 4096 B, 2 threads, two files", costs.scale(2, 2, "-a", count=40000), ways, unit)]


def memory(costs):
    ways, unit = ["plain", "unmatched", "auto", "zero"], "bytes per file; less is better"
    each = "µs per open and close; less is better"
    called = "system calls per file; less is better"
    return once(
        Work("10,000 open files, private memory", costs.opened("hold", "10000"), ways, unit),
        Work("10,000 open files, resident memory", costs.opened("-r", "hold", "10000"), ways, unit),
        Work("10,000 open files, the helper's memory", costs.helpers_memory(10000), ["plain", "zero"], unit),
        Work("open + close, 100,000 times", costs.opened("close", "100000"), ways, each),
        Work("open + close, 100,000 times, growth", costs.opened("-m", "close", "100000"), ways,
             "bytes in all; less is better"),
        Work("open + append + close, 5,000 times, growth", costs.opened("-a", "-m", "close", "5000"), ways,
             "bytes in all; less is better"),
        Work("open + close, system calls", costs.system_calls(), ways, called, needs=["strace"]),
        Work("open + append + close, system calls", costs.system_calls("-a"), ways, called, needs=["strace"]))


def growing(costs):
    ways, unit = ["plain", "zero"], "appends per second"
    sizes = ((MIB, "1 MiB"), (64 * MIB, "64 MiB"), (GIB, "1 GiB"), (16 * GIB, "16 GiB"), (64 * GIB, "64 GiB"))
    synced = [Work(f"append + fdatasync, 4096 B, from {name} on", costs.grown(size, count=500), ways, unit)
              for size, name in sizes]
    unsynced = [Work(f"append, 4096 B, from {name} on", costs.grown(size, "-s", count=100000), ways, unit)
                for size, name in sizes]
    in_turn = [Work(f"append, 100 B, {files:,} files in turn", costs.opened("round", "400", str(files)),
                    ["plain", "auto"], unit) for files in (1, 10, 100, 1000, 10000)]
    return [*synced, *unsynced, *in_turn]


def cost_works(library):
    costs = Costs(library.build)
    works = [*starts(costs), *calls(costs), *scaling(costs), *memory(costs), *growing(costs)]
    for work in works:
        work.kind = "cost"
    return works
