"""No writing, no running of programs, no TCP, for a process and all its threads to come: Landlock.

Source: the kernel's documentation, docs.kernel.org/userspace-api/landlock.html (ABI 1 of Linux 5.13 to ABI 7).
"""

from __future__ import annotations

import ctypes
import os

from mithridate.models.jail.kernel import syscall

__all__ = ["abi", "forbid_writing"]

_CREATE, _RESTRICT = 444, 446  # the same on every architecture
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
#: how many of the file-system rights each ABI knows: writing, removing, making, renaming, truncating, ioctl.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_NET_FROM, _SCOPE_FROM, _LATEST_RIGHTS = 4, 6, 16
_BIND_CONNECT = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def abi() -> int:
    """Version of Landlock in this kernel; 0 where there is none or it is switched off."""
    try:
        return syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError:
        return 0


def forbid_writing() -> str:
    """From now on this thread and those it starts may read files, and do nothing else with them.

    Needs no_new_privs.

    Returns:
        What was forbidden, in words.

    Raises:
        OSError: the kernel has no Landlock or refused.
    """
    version = abi()
    if not version:
        raise OSError("this kernel has no Landlock")
    files = (1 << _RIGHTS.get(version, _LATEST_RIGHTS)) - 1
    rules = _Ruleset(files=files & ~(_READ_FILE | _READ_DIR))
    size = 8
    if version >= _NET_FROM:
        rules.net, size = _BIND_CONNECT, 16
    if version >= _SCOPE_FROM:
        rules.scoped, size = _ABSTRACT_SOCKETS_AND_SIGNALS, 24
    descriptor = syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        syscall(_RESTRICT, ctypes.c_int(descriptor), ctypes.c_uint32(0))
    finally:
        os.close(descriptor)
    return f"ABI {version}"
