"""The filter, run by a small interpreter of its instructions: also for the processor that this is not."""

import errno

import pytest

from mithridate.models.jail.seccomp import program
from mithridate.models.jail.syscalls import ALLOWED, DEADLY, NUMBERS, REFUSED

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PID = 4242
THREAD = 0x003D0F00  # what glibc's pthread_create gives to clone
FORK = 0x01200011


def _verdict(machine, number, *arguments, arch=None):
    words = {0: number, 4: ARCHES[machine] if arch is None else arch}
    for index, value in enumerate((*arguments, 0, 0, 0, 0, 0, 0)[:6]):
        words[16 + 8 * index], words[20 + 8 * index] = value & 0xFFFFFFFF, value >> 32
    code, at, held = program(machine, PID), 0, 0
    while True:
        kind, true, false, k = code[at]
        at += 1
        if kind == 0x06:
            return k
        if kind == 0x20:
            held = words[k]
        else:
            holds = {0x15: held == k, 0x35: held >= k, 0x45: bool(held & k)}[kind]
            at += true if holds else false


@pytest.fixture(params=sorted(NUMBERS))
def machine(request):
    return request.param


def _call(machine, name, *arguments):
    return _verdict(machine, NUMBERS[machine][name], *arguments)


def test_every_name_is_known_to_some_processor_and_in_one_table():
    names = [*ALLOWED, *REFUSED, *DEADLY]
    assert len(names) == len(set(names))
    assert set(names) == set().union(*NUMBERS.values())
    for numbers in NUMBERS.values():
        assert len(set(numbers.values())) == len(numbers)


@pytest.mark.parametrize(
    "name", ["socket", "connect", "openat", "unlinkat", "mkdirat", "memfd_create", "openat2"]
)
def test_files_and_network_are_refused(machine, name):
    assert _call(machine, name) == EPERM


@pytest.mark.parametrize(
    "name", ["execve", "execveat", "ptrace", "io_uring_setup", "bpf", "mount", "unshare", "seccomp"]
)
def test_what_no_computation_needs_kills(machine, name):
    assert _call(machine, name) == KILL


def test_threads_but_no_processes(machine):
    assert _call(machine, "clone", THREAD) == ALLOW
    assert _call(machine, "clone", FORK) == EPERM
    assert _call(machine, "clone", THREAD | 0x10000000) == EPERM  # and a user namespace
    assert (
        _verdict(machine, 435, THREAD) == ENOSYS
    )  # clone3: its flags cannot be seen, glibc falls back to clone


def test_signals_only_to_itself(machine):
    for name in ("kill", "tgkill"):
        assert _call(machine, name, PID) == ALLOW
        assert _call(machine, name, 1) == EPERM
        assert _call(machine, name, 0xFFFFFFFF) == EPERM  # everyone


def test_limits_may_be_read_but_not_set(machine):
    assert _call(machine, "prlimit64", 0, 7, 0, 0x7FFE00000000) == ALLOW
    assert _call(machine, "prlimit64", 0, 7, 0x1000) == EPERM
    assert (
        _call(machine, "prlimit64", 0, 7, 0x700000000000) == EPERM
    )  # a pointer with nothing in its low half
    assert _call(machine, "prlimit64", 1, 7, 0) == EPERM


def test_controls_of_descriptors_are_few(machine):
    assert _call(machine, "ioctl", 0, 0x5401) == ALLOW
    assert _call(machine, "ioctl", 0, 0x5412) == EPERM  # TIOCSTI: typing into the user's terminal
    assert _call(machine, "fcntl", 3, 3) == ALLOW
    assert _call(machine, "fcntl", 3, 8) == EPERM  # F_SETOWN: signals to others
    assert _call(machine, "prctl", 15) == ALLOW
    assert _call(machine, "prctl", 1) == EPERM  # PR_SET_PDEATHSIG


def test_another_architecture_kills(machine):
    other = next(token for name, token in ARCHES.items() if name != machine)
    assert _verdict(machine, NUMBERS[machine]["read"], arch=other) == KILL
    assert (
        _verdict(machine, NUMBERS[machine]["read"], arch=0x40000003) == KILL
    )  # i386 calls from a 64-bit process


def test_x32_kills():
    assert _verdict("x86_64", 0x40000000 | NUMBERS["x86_64"]["read"]) == KILL


def test_what_is_not_named_does_not_exist(machine):
    assert _verdict(machine, 600) == ENOSYS
    assert _call(machine, "read") == ALLOW
