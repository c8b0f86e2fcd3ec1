# SPDX-License-Identifier: GPL-2.0-or-later
"""What works read: made when it is first asked for, once for all runs."""
import functools
import io
import os
import random
import tarfile
import tempfile

import commands

FILES = 10000
IMAGE_SIZE = 256 << 20


class Inputs:
    """In a directory of the caller's, which removes it."""

    def __init__(self, directory):
        self.directory = directory

    @functools.cached_property
    def archive(self):
        """A tar archive of FILES files of 1 to 64 KiB, as bytes."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for number in range(FILES):
                member = tarfile.TarInfo(f"{number % 100}/{number}")
                member.size = 1024 + number * 7919 % 64512
                archive.addfile(member, io.BytesIO(b"x" * member.size))
        return buffer.getvalue()

    @functools.cached_property
    def repository(self):
        """The path of a git repository of FILES files of 0.5 to 8 KiB that don't compress."""
        path = tempfile.mkdtemp(prefix="repository.", dir=self.directory)
        noise = random.Random(1)
        for number in range(FILES):
            os.makedirs(f"{path}/{number % 100}", exist_ok=True)
            with open(f"{path}/{number % 100}/{number}", "wb") as file:
                file.write(noise.randbytes(512 + number * 7919 % 7680))
        git("init", "-q", path)
        git("-C", path, "add", ".")
        git("-C", path, "-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "-q", "-m", "files")
        return path

    @functools.cached_property
    def image(self):
        """The path of a raw disk image of IMAGE_SIZE bytes without a zero block."""
        noise = random.Random(1)
        with tempfile.NamedTemporaryFile(prefix="image.", dir=self.directory, delete=False) as file:
            for _ in range(IMAGE_SIZE >> 20):
                file.write(noise.randbytes(1 << 20))
        return file.name


def git(*arguments, before=()):
    """git as it comes, whatever this user's configuration."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return commands.output(*before, "git", "-c", "gc.auto=0", *arguments, env=environment)
