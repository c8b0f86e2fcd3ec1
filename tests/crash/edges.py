# SPDX-License-Identifier: GPL-2.0-or-later
"""edges.py SCENARIO: what a program is told at a limit of its file; for limits.sh."""
import ctypes
import errno
import fcntl
import os
import signal
import struct
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
IMMUTABLE, APPEND = 0x10, 0x20
RW = os.O_RDWR | os.O_CREAT


def say(what, call, *arguments):
    """The call's result, or its errno, as a line."""
    try:
        result = call(*arguments)
    except OSError as e:
        result = errno.errorcode[e.errno]
    print(what, result, flush=True)
    return result


def state(fd):
    st = os.fstat(fd)
    end = os.lseek(fd, 0, os.SEEK_END) if st.st_size < 1 << 40 else 'far'
    print('  size', st.st_size, 'end', end, 'offset', os.lseek(fd, 0, os.SEEK_CUR), flush=True)


def appended(fd, times=3, size=3000):
    for _ in range(times):
        say('write', os.write, fd, b'a' * size)
    state(fd)


def is_extended(fd, name):
    """Proves the test: what is to be tried is tried on an extended file. st_blocks is the truth."""
    st = os.fstat(fd)
    if os.environ.get('LIMITS_EXTENDED') and st.st_blocks * 512 < st.st_size + (1 << 16):
        sys.exit('%s is not extended: %d blocks' % (name, st.st_blocks))


# Another process, which waits for the file to be settled; chattr(1) doesn't wait. It is there before
# any file is open: a fork would settle them.
CHANGER = """
import fcntl, os, struct, sys
for line in sys.stdin:
    name, on, off = line.split()
    try:
        fd = os.open(name, os.O_RDONLY)
        old = struct.unpack('l', fcntl.ioctl(fd, %d, bytes(8)))[0]
        fcntl.ioctl(fd, %d, struct.pack('l', (old | int(on)) & ~int(off)))
        os.close(fd)
        print('done', flush=True)
    except OSError as e:
        print(e.errno, flush=True)
""" % (FS_IOC_GETFLAGS, FS_IOC_SETFLAGS)
changer = None


def change_flags(name, on, off):
    changer.stdin.write('%s %d %d\n' % (name, on, off))
    changer.stdin.flush()
    return changer.stdout.readline().strip()


def own_flags(fd, on, off):
    old = struct.unpack('l', fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(8)))[0]
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack('l', (old | on) & ~off))


def flags(bit):
    global changer
    changer = subprocess.Popen([sys.executable, '-c', CHANGER], env={'PATH': os.environ['PATH']},
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for append in 0, os.O_APPEND:
        for own in False, True:
            name = 'flags-%x-%x-%d.data' % (bit, append, own)
            print('#', name)
            fd = os.open(name, RW | append, 0o644)
            appended(fd)
            is_extended(fd, name)
            if own:
                say('set', own_flags, fd, bit, 0)
            else:
                say('set', change_flags, name, bit, 0)
            appended(fd)
            say('pwrite', os.pwrite, fd, b'p' * 100, 50)
            say('pwrite behind', os.pwrite, fd, b'p' * 100, 9500)
            say('ftruncate', os.ftruncate, fd, 100)
            say('fallocate', os.posix_fallocate, fd, 0, 100000)
            state(fd)
            for how in os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_TRUNC:
                again = say('open', os.open, name, how)
                if isinstance(again, int):
                    appended(again)
                    os.close(again)
            say('rename', os.rename, name, 'other')
            say('unlink', os.unlink, name)
            if own:
                own_flags(fd, 0, bit)
            else:
                say('unset', change_flags, name, 0, bit)
            appended(fd)
            os.close(fd)


def largest():
    """At the end of the largest file that the filesystem can have."""
    low, high = 0, (1 << 63) - 1
    probe = os.open('probe', RW, 0o644)
    while low < high:
        middle = (low + high + 1) // 2
        try:
            os.ftruncate(probe, middle)
            low = middle
        except OSError:
            high = middle - 1
    os.close(probe)
    os.unlink('probe')
    print('largest', low)
    for distance, append in ((100000, 0), (100000, os.O_APPEND), (3 << 20, os.O_APPEND), (0, 0)):
        fd = os.open('largest.data', RW | append, 0o644)
        say('ftruncate', os.ftruncate, fd, low - distance)
        os.lseek(fd, 0, os.SEEK_END)
        size = 30000 if distance < 1 << 20 else 700000
        for _ in range(7):
            say('write', os.write, fd, b'l' * size)
            state(fd)
        if low < 1 << 60:
            say('pwrite', os.pwrite, fd, b'l' * 100, low - 50)
            say('pwrite', os.pwrite, fd, b'l' * 100, low)
        say('fallocate', os.posix_fallocate, fd, low - 10, 100)
        if low < (1 << 63) - 1:
            say('ftruncate', os.ftruncate, fd, low + 1)
        os.close(fd)
        os.unlink('largest.data')


def swap():
    pages = 512
    fd = os.open('swap.data', RW, 0o600)
    header = bytearray(4096)
    struct.pack_into('<III', header, 1024, 1, pages - 1, 0)
    header[4086:4096] = b'SWAPSPACE2'
    os.write(fd, header)
    for _ in range(pages - 1):
        os.write(fd, bytes(4096))
    os.fsync(fd)
    is_extended(fd, 'swap.data')
    state(fd)
    on = libc.swapon(b'swap.data', 0)
    if on < 0 and os.environ.get('LIMITS_SWAP_SKIPS'):
        sys.exit(77)
    print('swapon', on, errno.errorcode.get(ctypes.get_errno()) if on else '')
    appended(fd)
    say('pwrite', os.pwrite, fd, b'p', 4096)
    say('ftruncate', os.ftruncate, fd, 100)
    say('fallocate', os.posix_fallocate, fd, 0, 10 << 20)
    again = say('open', os.open, 'swap.data', os.O_RDWR)
    if isinstance(again, int):
        appended(again)
        os.close(again)
    say('unlink', os.unlink, 'swap.data')
    print('swapoff', libc.swapoff(b'swap.data'))
    appended(fd)
    os.close(fd)


def error():
    """The filesystem becomes read-only by itself, because of an error."""
    for append in 0, os.O_APPEND:
        fd = os.open('error-%x.data' % append, RW | append, 0o644)
        for _ in range(20):
            os.write(fd, b'e' * 99 + b'\0')
            os.fdatasync(fd)
        is_extended(fd, 'error')
    with open(os.environ['LIMITS_TRIGGER'], 'w') as f:
        f.write('1')
    for _ in range(3):
        say('write', os.write, fd, b'f' * 100)
        say('pwrite', os.pwrite, fd, b'f' * 100, 50)
        say('fdatasync', os.fdatasync, fd)
    # Not the size: see BUGS in libpreallocate(7).
    say('open', os.open, 'error-0.data', os.O_RDWR)
    say('create', os.open, 'other', RW)


def main():
    signal.signal(signal.SIGXFSZ, lambda *_: print('SIGXFSZ', flush=True))
    scenario = sys.argv[1]
    if scenario == 'immutable':
        flags(IMMUTABLE)
    elif scenario == 'append-only':
        flags(APPEND)
    else:
        {'largest': largest, 'swap': swap, 'error': error}[scenario]()


main()
