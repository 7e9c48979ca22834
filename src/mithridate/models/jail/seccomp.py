"""A filter in the kernel that lets a process compute and nothing else (seccomp(2), mode "filter").

The filter is a program for the classic Berkeley packet filter over (system call, architecture, arguments).
Source: S. McCanne and V. Jacobson, "The BSD Packet Filter", USENIX Winter 1993; Linux seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from typing import TypeAlias

from mithridate.models.jail.kernel import PR_GET_SECCOMP, architecture, prctl, syscall
from mithridate.models.jail.syscalls import ALLOWED, DEADLY, NUMBERS, REFUSED

__all__ = ["install", "offered", "program"]

#: (code, jump if true, jump if false, constant)
Instruction: TypeAlias = tuple[int, int, int, int]

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_TOKEN = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000  # calls of the x32 ABI come with this bit
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_SET_FILTER, _GET_ACTION, _ALL_THREADS = 1, 2, 1

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00020000 | 0x80
_FD_CALLS = (0, 1, 2, 3, 4, 1030, 1032)  # fcntl: duplicate, flags, size of a pipe; no owners, no signals
_IOCTLS = (0x5401, 0x5450, 0x5451, 0x541B)  # is it a terminal, close-on-exec, bytes waiting
_PRCTLS = (15, 16, 3, 0x53564D41)  # names of threads and of memory, whether dumpable


def offered() -> bool:
    """Whether this kernel takes filters that can kill a process."""
    machine = architecture()
    if machine is None:
        return False
    try:
        prctl(PR_GET_SECCOMP)
        action = ctypes.c_uint32(_KILL)
        syscall(NUMBERS[machine]["seccomp"], _GET_ACTION, 0, ctypes.byref(action))
    except OSError:
        return False
    return True


def install() -> None:
    """Put the filter on every thread of this process, for good. Needs no_new_privs.

    Raises:
        OSError: the kernel refused, or a thread could not be reached.
    """
    machine = architecture()
    if machine is None:
        raise OSError("no filter is known for this system")
    code = program(machine, os.getpid())
    lines = (_Line * len(code))(*(_Line(*line) for line in code))
    whole = _Program(len(code), lines)
    if syscall(NUMBERS[machine]["seccomp"], _SET_FILTER, _ALL_THREADS, ctypes.byref(whole)):
        raise OSError("a thread could not be put under the filter")


def program(machine: str, pid: int) -> list[Instruction]:
    """The filter for a process.

    Args:
        machine: a key of `syscalls.NUMBERS`.
        pid: its process id, the only one it may signal.
    """
    numbers = NUMBERS[machine]
    code: list[Instruction] = [
        *((_LOAD, 0, 0, _ARCH_AT), (_EQUAL, 1, 0, _TOKEN[machine]), _ends(_KILL)),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32), _ends(_KILL)]
    special = _special(pid)
    for name in ALLOWED:
        code += _when(numbers.get(name), [*special.get(name, ()), _ends(_ALLOW)])
    for name in REFUSED:
        code += _when(numbers.get(name), [_ends(_ERRNO | errno.EPERM)])
    for name in DEADLY:
        code += _when(numbers.get(name), [_ends(_KILL)])
    return [*code, _ends(_ERRNO | errno.ENOSYS)]


def _special(pid: int) -> dict[str, list[Instruction]]:
    """What must hold of the arguments of a call, before it is allowed."""
    return {
        "clone": [*_without(0, _CLONE_NEW), *_with(0, _CLONE_THREAD)],
        "ioctl": _one_of(1, _IOCTLS),
        "fcntl": _one_of(1, _FD_CALLS),
        "prctl": _one_of(0, _PRCTLS),
        "tgkill": _one_of(0, (pid,)),
        "kill": _one_of(0, (pid,)),
        "prlimit64": [
            *_one_of(0, (0,)),
            *_one_of(2, (0,)),
            *_one_of(2, (0,), high=True),
        ],  # may be read, not set
        "sched_setaffinity": _one_of(0, (0,)),
    }


def _ends(verdict: int) -> Instruction:
    return (_RETURN, 0, 0, verdict)


def _when(number: int | None, body: Sequence[Instruction]) -> list[Instruction]:
    return [] if number is None else [(_EQUAL, 0, len(body), number), *body]


def _argument(index: int, high: bool = False) -> Instruction:
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index + 4 * high)


def _one_of(index: int, values: Sequence[int], *, high: bool = False) -> list[Instruction]:
    last = len(values)
    tests = [(_EQUAL, last - place, 0, value) for place, value in enumerate(values)]
    return [_argument(index, high), *tests, _ends(_ERRNO | errno.EPERM)]


def _with(index: int, bits: int) -> list[Instruction]:
    return [_argument(index), (_ANY_BIT, 1, 0, bits), _ends(_ERRNO | errno.EPERM)]


def _without(index: int, bits: int) -> list[Instruction]:
    return [_argument(index), (_ANY_BIT, 0, 1, bits), _ends(_ERRNO | errno.EPERM)]


class _Line(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("true", ctypes.c_uint8),
        ("false", ctypes.c_uint8),
        ("constant", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("lines", ctypes.POINTER(_Line)))
