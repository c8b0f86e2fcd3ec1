# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the works are done: a directory on the disk, or a fresh filesystem in an image on it."""
import contextlib
import os
import shutil
import subprocess
import tempfile

SIZE = 6 << 30
MKFS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"],
        "btrfs": ["mkfs.btrfs", "-q", "-f"]}


class Place:
    def __init__(self, name, title, directory):
        self.name, self.title, self.directory = name, title, directory


def run(*command):
    subprocess.run(command, check=True)


def scratch_parent():
    return os.environ.get("TMPDIR", "/var/tmp")


@contextlib.contextmanager
def place(name):
    scratch = tempfile.mkdtemp(prefix="preallocate-bench.", dir=scratch_parent())
    os.chmod(scratch, 0o755)  # for servers that are another user
    directory, mounted = f"{scratch}/files", False
    os.mkdir(directory)
    try:
        if name == "root":
            kind = subprocess.run(["stat", "-f", "-c", "%T", directory], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.strip()
            yield Place(name, f"{os.path.dirname(scratch)}, {kind}", directory)
            return
        with open(f"{scratch}/image", "wb") as image:
            image.truncate(SIZE)
        run(*MKFS[name], f"{scratch}/image")
        run("mount", "-o", "loop", f"{scratch}/image", directory)
        mounted = True
        yield Place(name, f"{name}, loop image", directory)
    finally:
        if mounted:
            run("umount", directory)
        shutil.rmtree(scratch)
