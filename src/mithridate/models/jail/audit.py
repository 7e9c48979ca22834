"""The ear at the door: what Python code in a jail tries is refused and reported.

Code that runs in an interpreter can get past a hook of that interpreter (PEP 578 says so): the walls are the
kernel's, the hook is here to say what was tried. Events: docs.python.org/3/library/audit_events.html.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["is_forbidden", "listen", "reporter"]

#: families of events, by the word before the first dot: nothing of these is needed to compute.
_FAMILIES_TEXT = (
    "open import exec compile socket subprocess os shutil tempfile glob pathlib pty ctypes fcntl mmap resource signal "
    "syslog marshal pickle ftplib smtplib imaplib poplib nntplib telnetlib http urllib webbrowser sqlite3 code "
    "ensurepip setopencodehook"
)
_FAMILIES = frozenset(_FAMILIES_TEXT.split())
_OTHERS = frozenset(
    {"sys.addaudithook", "sys.settrace", "sys.setprofile", "sys.set_asyncgen_hooks_firstiter"}
)
_CUT = 200
#: a write of at most this many bytes to a pipe is never torn (pipe(7): PIPE_BUF is 4,096 on Linux, 512 by POSIX).
_WHOLE = 4096


def is_forbidden(event: str) -> bool:
    """Whether an audit event is refused."""
    return event.partition(".")[0] in _FAMILIES or event in _OTHERS


def reporter(descriptor: int) -> Callable[[str, tuple[Any, ...]], None]:
    """Writes events to a pipe, one JSON line each; when the pipe is full or gone they are lost."""
    os.set_blocking(descriptor, False)

    def report(event: str, arguments: tuple[Any, ...]) -> None:
        line = json.dumps([event[:80], _words(arguments)]).encode() + b"\n"
        if len(line) <= _WHOLE:
            try:
                os.write(descriptor, line)
            except OSError:
                return

    return report


def _words(arguments: tuple[Any, ...]) -> str:
    """Arguments in words; only of types whose text is not made by the code that is watched."""
    plain = (str, bytes, int, float, bool, type(None))
    return ", ".join(repr(a)[:_CUT] if type(a) in plain else type(a).__name__ for a in arguments[:4])[:_CUT]


def listen(report: Callable[[str, tuple[Any, ...]], None]) -> None:
    """From now on, for good, refuse and report what `is_forbidden`."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if is_forbidden(event):
            report(event, arguments)
            raise PermissionError(f"{event} is refused in the jail")

    sys.addaudithook(hook)
