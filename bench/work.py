# SPDX-License-Identifier: GPL-2.0-or-later
"""One work: what is done in several ways, and measured."""
import os
import pwd
import shutil

MODES = ["plain", "zero", "write", "auto"]


class Work:
    """run(way, directory): the figure. More is better, except where the unit says otherwise. NaN: not to be had here.
    Ratios are to the way `base`; needs are commands, or "user NAME"."""

    once = False   # on the first place only: it doesn't depend on the filesystem
    kind = "gain"  # or "cost": there is nothing to be gained, only to be lost

    def __init__(self, title, function, ways=None, unit="per second", needs=(), base="plain"):
        self.title, self.function, self.unit, self.base = title, function, unit, base
        self.ways = ways or MODES
        self.needs = needs

    def missing(self):
        return ", ".join(name for name in self.needs if not is_here(name))

    def run(self, way, directory):
        inside = f"{directory}/work"
        os.mkdir(inside)
        # What the run before has left to be written would be this one's to wait for.
        os.sync()
        try:
            return self.function(way, inside)
        finally:
            shutil.rmtree(inside)


def is_here(name):
    if not name.startswith("user "):
        return shutil.which(name)
    return any(entry.pw_name == name.removeprefix("user ") for entry in pwd.getpwall())
