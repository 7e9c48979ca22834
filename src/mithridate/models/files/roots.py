"""Modules of Python that no description of a model has a use for: they run, fetch, write or import."""

from __future__ import annotations

__all__ = ["is_dangerous"]

_ROOTS_TEXT = (
    "os posix nt ntpath posixpath subprocess sys builtins __builtin__ __builtins__ importlib imp runpy pkgutil "
    "code codeop socket ssl http urllib urllib3 requests httpx aiohttp ftplib smtplib telnetlib webbrowser "
    "asyncio multiprocessing threading concurrent shutil pathlib tempfile glob io pty signal resource fcntl mmap "
    "ctypes cffi marshal pickle _pickle cloudpickle dill joblib shelve types inspect gc atexit timeit trace pdb "
    "bdb cProfile profile doctest unittest pytest pip setuptools distutils ensurepip venv zipimport zipfile "
    "tarfile sqlite3 platform commands"
)
_ROOTS = frozenset(_ROOTS_TEXT.split())


def is_dangerous(module: str) -> bool:
    """Whether a module, "os.path" or "os", is of those."""
    return module.partition(".")[0] in _ROOTS
