"""Shutting a process in, in two steps: before it loads its libraries, and before it sees untrusted bytes.

The wall that holds is the filter of system calls (`seccomp`): after the second step no file can be opened, no
socket made, no program started, no process forked, whatever code runs. The rest stands behind it, in depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mithridate.models.jail import audit, kernel, landlock, seccomp
from mithridate.models.jail.limits import Limits

__all__ = ["REQUIRED", "THREADS", "Protection", "available", "enclose", "missing", "seal"]

_NEW_PRIVILEGES, _FILTER = "no new privileges", "system call filter"
#: without these there is no jail.
REQUIRED = (_NEW_PRIVILEGES, _FILTER)
_OPEN_FILES = 64
#: how many threads a jailed process may have.
THREADS = 256


@dataclass(frozen=True, kw_only=True)
class Protection:
    """One wall: whether it stands, and if not, why."""

    name: str
    taken: bool
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "taken": self.taken, "detail": self.detail}


def available() -> list[str]:
    """What this system lacks for a jail, in words; an empty list: it can offer one. Changes nothing."""
    if kernel.architecture() is None:
        return ["Linux on x86-64 or 64-bit ARM"]
    return [] if seccomp.offered() else ["filters of system calls (seccomp) in the kernel"]


def missing(protections: Sequence[Protection]) -> list[str]:
    """The required protections that did not take."""
    taken = {p.name for p in protections if p.taken}
    return [name for name in REQUIRED if name not in taken]


def enclose(parent: int) -> list[Protection]:
    """First step, while the process has one thread: no writing, no network, no privileges; reading is still allowed.

    Args:
        parent: process id of the one that started this process, with which it dies.
    """
    steps: list[tuple[str, Callable[[], object]]] = [
        ("own namespaces", _leave),
        ("no capabilities", kernel.drop_capabilities),
        (_NEW_PRIVILEGES, lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)),
        (
            "dies with its parent",
            lambda: kernel.die_with(parent),
        ),  # after what changes credentials, which clears it
        ("Landlock", landlock.forbid_writing),
    ]
    return [_tried(*step) for step in steps]


def seal(limits: Limits, events: int) -> list[Protection]:
    """Second step, after the trusted libraries are loaded and before the first untrusted byte.

    Args:
        limits: what the process may use from now on.
        events: descriptor of a pipe that takes what was tried and refused.
    """
    report = audit.reporter(events)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("limits", lambda: _limit(limits)),
        (_FILTER, seccomp.install),
        ("audit hook", lambda: audit.listen(report)),
    ]
    return [_tried(*step) for step in steps]


def _tried(name: str, step: Callable[[], object]) -> Protection:
    try:
        detail = step()
    except (OSError, ValueError, AttributeError) as error:
        return Protection(name=name, taken=False, detail=str(error)[:200])
    return Protection(name=name, taken=True, detail=detail if isinstance(detail, str) else "")


def _leave() -> None:
    """Out of the host's namespaces; in one of its own, its threads are counted apart from the user's other ones."""
    import resource

    kernel.own_namespaces()
    resource.setrlimit(resource.RLIMIT_NPROC, (THREADS, THREADS))


def _limit(limits: Limits) -> str:
    """Address space beyond what the libraries reserved, no core dumps, no file may grow.

    Processor time is set for each call, by the parent.
    """
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib is one import more
        reserved = int(file.read().split()[0]) * resource.getpagesize()
    whole = reserved + limits.memory
    for kind, value in (
        (resource.RLIMIT_AS, whole),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    return f"{whole >> 20} MiB of address space"
