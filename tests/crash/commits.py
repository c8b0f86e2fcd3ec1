#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that note outside of the filesystem under test what they were told to be durable.

commits.py redis SOCKET ACK CLIENT        SETs keys, one after the other, until the server is gone
commits.py redis-check SOCKET ACK CLIENT  each key that ACK names is there
commits.py sqlite FILE MODE ACK           commits rows in journal mode MODE, until it can't
commits.py sqlite-check FILE ACK          each row that ACK names is there, and the database is sound

ACK holds the number of each, a line each, written when the answer has come.
"""
import os
import socket
import sqlite3
import sys


def note(path):
    ack = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    return lambda number: os.write(ack, b"%d\n" % number)


def noted(path):
    with open(path, "rb") as file:
        return [int(line) for line in file.read().split()]


def value(number):
    return b"%d:" % number + b"v" * (number * 37 % 500)


class Redis:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.answers = self.socket.makefile("rb")

    def call(self, *words):
        self.socket.sendall(b"*%d\r\n" % len(words) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        answer = self.answers.readline()
        if answer.startswith(b"$") and answer != b"$-1\r\n":
            return self.answers.read(int(answer[1:]) + 2)[:-2]
        return answer.rstrip()


def redis(path, ack, client):
    server, done = Redis(path), note(ack)
    try:
        for number in range(1000000):
            if server.call(b"SET", b"%s:%d" % (client.encode(), number), value(number)) != b"+OK":
                return
            done(number)
    except OSError:
        pass


def redis_check(path, ack, client):
    server, numbers = Redis(path), noted(ack)
    for number in numbers:
        found = server.call(b"GET", b"%s:%d" % (client.encode(), number))
        if found != value(number):
            sys.exit(f"redis: {client}:{number} of {len(numbers)}: {found[:50]!r}")
    print(len(numbers), "acknowledged by redis")


def sqlite(path, mode, ack):
    done = note(ack)
    try:
        database = sqlite3.connect(path, isolation_level=None)
        database.execute(f"PRAGMA journal_mode={mode}")
        # FULL doesn't sync the directory that the journal has been deleted from: a power loss may
        # take the last commit back.
        database.execute("PRAGMA synchronous=EXTRA")
        database.execute("PRAGMA wal_autocheckpoint=50")
        database.execute("CREATE TABLE rows(number INTEGER PRIMARY KEY, value BLOB)")
        for number in range(1000000):
            database.execute("INSERT INTO rows VALUES(?, ?)", (number, value(number)))
            done(number)
    except sqlite3.Error:
        pass


def sqlite_check(path, ack):
    numbers = noted(ack)
    database = sqlite3.connect(path)
    sound = database.execute("PRAGMA integrity_check").fetchall()
    if sound != [("ok",)]:
        sys.exit(f"{path}: {sound}")
    rows = dict(database.execute("SELECT number, value FROM rows"))
    for number in numbers:
        if rows.get(number) != value(number):
            sys.exit(f"{path}: row {number} of {len(numbers)} is {rows.get(number, b'')[:50]!r}")
    print(len(numbers), "acknowledged by sqlite")


if __name__ == "__main__":
    {"redis": redis, "redis-check": redis_check, "sqlite": sqlite,
     "sqlite-check": sqlite_check}[sys.argv[1]](*sys.argv[2:])
