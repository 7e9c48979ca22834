"""The few calls to the Linux kernel that Python has no function for.

Constants are those of the kernel's userspace headers (linux/prctl.h, linux/sched.h, linux/capability.h).
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from typing import Any

__all__ = ["architecture", "die_with", "drop_capabilities", "own_namespaces", "prctl", "syscall"]

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_GET_SECCOMP = 1, 38, 21
_NEW_USER, _NEW_IPC, _NEW_NET = 0x10000000, 0x08000000, 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}


def architecture() -> str | None:
    """The processor if the jail knows its system calls ("x86_64" or "aarch64", 64-bit Linux), else None."""
    if not sys.platform.startswith("linux") or sys.maxsize < 1 << 32 or sys.byteorder != "little":
        return None
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    return machine if machine in _CAPSET else None


def prctl(option: int, *arguments: int) -> int:
    """Change how the kernel treats this process.

    Raises:
        OSError: the kernel refused.
    """
    padded = [*arguments, 0, 0, 0, 0][:4]
    return _done(_libc().prctl(ctypes.c_int(option), *map(ctypes.c_ulong, padded)), "prctl")


def syscall(number: int, *arguments: Any) -> int:
    """Any system call, with integers and ctypes pointers.

    Raises:
        OSError: the kernel refused.
    """
    call = _libc().syscall
    call.restype = ctypes.c_long
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _done(call(ctypes.c_long(number), *plain), f"system call {number}")


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _done(answer: int, what: str) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(answer)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends.

    Args:
        parent: process id of that parent; if it has already gone, this process ends at once.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def own_namespaces() -> None:
    """Leave the network and the shared memory of the host (user_namespaces(7), network_namespaces(7)).

    Raises:
        OSError: the system does not let this user do so, or this process already has threads.
    """
    _done(_libc().unshare(ctypes.c_int(_NEW_USER | _NEW_IPC | _NEW_NET)), "unshare")


def drop_capabilities() -> None:
    """Give up every privilege (capabilities(7)); root without them is an ordinary user.

    Raises:
        OSError: the kernel refused.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    syscall(_CAPSET[architecture() or ""], ctypes.byref(header), ctypes.byref(nothing))
