"""Runs another script of this package within limits of memory and time; run as a script: SCRIPT ARGUMENTS..."""

from __future__ import annotations

import importlib
import runpy
import sys

_MEMORY, _SECONDS = 5 << 30, 50


def limit() -> None:
    """Bound memory and time of this process, where the system can."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # not on Windows; the parent still has its clock
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    limit()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
