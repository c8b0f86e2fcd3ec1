# SPDX-License-Identifier: GPL-2.0-or-later
"""How a work's commands are run: with the library or without, to their end, with their errors told."""
import contextlib
import re
import signal
import subprocess
import tempfile
import time

WITHOUT = ("plain", "hand", "hand-write", "qemu")


class Library:
    """As it was built in a directory."""

    def __init__(self, build):
        self.build = build

    def managed(self, way, patterns):
        """The words before a command for this way of running it."""
        if way in WITHOUT:
            return []
        rules = [word for pattern in patterns for word in ("-m", pattern)]
        return [f"{self.build}/preallocate", "run", f"--mode={way}", *rules, "--"]

    def output(self, way, patterns, *command, **more):
        return output(*self.managed(way, patterns), *command, **more)


def ending(text):
    return " / ".join(text.strip().splitlines()[-4:])


def output(*command, **more):
    """What the command printed; a failure tells what it complained of."""
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        done = subprocess.run(command, check=False, text=True, errors="replace", stdout=subprocess.PIPE,
                              stderr=complaints, **more)
        if done.returncode:
            complaints.seek(0)
            raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}: "
                               f"{ending(complaints.read()) or ending(done.stdout)}")
    return done.stdout


def figure(pattern, text):
    """The number that the pattern's group finds in what a program printed."""
    found = re.search(pattern, text, re.M)
    if not found:
        raise RuntimeError(f"no '{pattern}' in: {ending(text)}")
    return float(found.group(1))


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: nothing after {seconds} s")
        time.sleep(0.02)


@contextlib.contextmanager
def serving(command, is_ready, stop=signal.SIGTERM, **more):
    """The command, from when it is ready until the body is left; it is ended in any case."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, **more)
        try:
            wait_until(lambda: server.poll() is not None or is_ready(), 30, " ".join(command))
            if server.poll() is not None:
                said.seek(0)
                raise RuntimeError(f"{' '.join(command)}: has ended: {ending(said.read())}")
            yield server
        finally:
            server.send_signal(stop)
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
                raise
