# ruff: noqa: PTH123, PTH208, S307, S605, S606, SIM115
"""A worker that tries what a jailed process must not be able to do, from Python and below Python."""

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time

from mithridate.models.jail.kernel import architecture
from mithridate.models.jail.syscalls import NUMBERS


class Tries:
    """One method for each; what a method of the worker is called with comes from the test."""

    def __init__(self):
        libc = ctypes.CDLL(None)
        self._syscall, self._location = libc.syscall, libc["__errno_location"]
        self._syscall.restype, self._location.restype = ctypes.c_long, ctypes.POINTER(ctypes.c_int)
        self._numbers = NUMBERS[architecture()]
        self._asked, self._answered, self._said = threading.Event(), threading.Event(), []
        threading.Thread(target=self._old_thread, daemon=True).start()  # runs before the jail is shut

    def _old_thread(self):
        self._asked.wait()
        self._said.append(self.native("socket", 2, 1, 0))
        self._answered.set()

    def native(self, name, *arguments):
        """The system call itself, which no audit hook sees: its answer, or minus errno."""
        plain = [ctypes.c_char_p(a.encode()) if isinstance(a, str) else ctypes.c_long(a) for a in arguments]
        answer = self._syscall(ctypes.c_long(self._numbers[name]), *plain)
        return -self._location()[0] if answer == -1 else answer

    def in_old_thread(self):
        self._asked.set()
        self._answered.wait()
        return self._said[0]

    def in_new_thread(self):
        thread = threading.Thread(target=lambda: self._said.append(self.native("socket", 2, 1, 0)))
        thread.start()
        thread.join()
        return self._said[-1]

    def grow(self, step):
        held = []
        while True:
            held.append(bytearray(b"x") * step)

    def threads(self, count):
        threading.stack_size(1 << 16)
        for _ in range(count):
            threading.Thread(target=self._answered.wait, daemon=True).start()
        time.sleep(1)

    def burn(self):
        while True:
            pass

    def sleep(self, seconds):
        time.sleep(seconds)

    def answer_with(self, data):
        os.write(int(sys.argv[6]), bytes.fromhex(data))
        time.sleep(30)

    def end_within_answer(self):
        os.write(int(sys.argv[6]), b"MJ01")
        os._exit(7)

    def flood(self):
        for _ in range(300):
            os.write(2, b"e" * 40_000)
        return "done"

    def forge_event(self, text):
        return os.write(int(sys.argv[7]), text.encode())

    def socket(self):
        socket.socket()

    def write(self, path):
        open(path, "w")

    def read(self, path):
        return open(path).read()

    def list(self, path):
        return os.listdir(path)

    def system(self):
        return os.system("true")

    def spawn(self):
        return subprocess.run(["/bin/true"]).returncode

    def execute(self):
        os.execv("/bin/true", ["true"])

    def fork(self):
        return os.fork()

    def evaluate(self):
        return eval("1 + 1")

    def load_library(self):
        ctypes.CDLL("libm.so.6")

    def load_module(self):
        __import__("sqlite3")

    def environment(self):
        return sorted(os.environ)

    def pid(self):
        return os.getpid()


def methods(threads):
    tries = Tries()

    def method(name):
        return lambda header, arrays: ({"value": getattr(tries, name)(*header.get("with", ()))}, {})

    named = {name: method(name) for name in vars(Tries) if not name.startswith("_")}
    return named | {"echo": lambda header, arrays: (header, arrays)}
