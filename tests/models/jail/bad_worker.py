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


def methods(threads):
    libc = ctypes.CDLL(None)
    syscall, location = libc.syscall, libc.__errno_location
    syscall.restype, location.restype = ctypes.c_long, ctypes.POINTER(ctypes.c_int)
    numbers = NUMBERS[architecture()]
    asked, answered, said = threading.Event(), threading.Event(), []

    def native(name, *arguments):
        """The system call itself, which no audit hook sees: its answer, or minus errno."""
        plain = [ctypes.c_char_p(a.encode()) if isinstance(a, str) else ctypes.c_long(a) for a in arguments]
        answer = syscall(ctypes.c_long(numbers[name]), *plain)
        return -location()[0] if answer == -1 else answer

    def old_thread():
        asked.wait()
        said.append(native("socket", 2, 1, 0))
        answered.set()

    threading.Thread(target=old_thread, daemon=True).start()  # runs before the jail is shut

    def in_old_thread():
        asked.set()
        answered.wait()
        return said[0]

    def in_new_thread():
        thread = threading.Thread(target=lambda: said.append(native("socket", 2, 1, 0)))
        thread.start()
        thread.join()
        return said[-1]

    def grow(step):
        held = []
        while True:
            held.append(bytearray(b"x") * step)

    def many_threads(count):
        threading.stack_size(1 << 16)
        for _ in range(count):
            threading.Thread(target=answered.wait, daemon=True).start()
        time.sleep(1)

    def burn():
        while True:
            pass

    def answer_with(data):
        os.write(int(sys.argv[6]), bytes.fromhex(data))
        time.sleep(30)

    def end_within_answer():
        os.write(int(sys.argv[6]), b"MJ01")
        os._exit(7)

    def flood():
        for _ in range(300):
            os.write(2, b"e" * 40_000)
        return "done"

    tries = {
        "native": native,
        "in_old_thread": in_old_thread,
        "in_new_thread": in_new_thread,
        "socket": lambda: socket.socket() and None,
        "write": lambda path: open(path, "w") and None,
        "read": lambda path: open(path).read(),
        "list": lambda path: os.listdir(path),
        "system": lambda: os.system("true"),
        "spawn": lambda: subprocess.run(["/bin/true"]).returncode,
        "execute": lambda: os.execv("/bin/true", ["true"]),
        "fork": os.fork,
        "evaluate": lambda: eval("1 + 1"),
        "load_library": lambda: ctypes.CDLL("libm.so.6") and None,
        "load_module": lambda: __import__("sqlite3") and None,
        "grow": grow,
        "threads": many_threads,
        "burn": burn,
        "sleep": time.sleep,
        "answer_with": answer_with,
        "end_within_answer": end_within_answer,
        "flood": flood,
        "forge_event": lambda text: os.write(int(sys.argv[7]), text.encode()),
        "environment": lambda: sorted(os.environ),
        "pid": os.getpid,
    }

    def method(name):
        return lambda header, arrays: ({"value": tries[name](*header.get("with", ()))}, {})

    return {name: method(name) for name in tries} | {"echo": lambda header, arrays: (header, arrays)}
