"""Asking a script of this package about an HDF5 file, in a process of its own.

The library that reads HDF5 is written in C and has crashed on hostile files before; whatever happens to it happens
there, within limits of time and memory.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item

__all__ = ["ask_h5", "has_h5py", "on_disk"]

_LIMITED = Path(__file__).with_name("h5_limited.py")
_SECONDS = 60
_MOST_COPY = 4 << 30


def has_h5py() -> bool:
    """Whether the library that reads HDF5 is installed."""
    return importlib.util.find_spec("h5py") is not None


@contextmanager
def on_disk(item: Item) -> Iterator[Path]:
    """Where an item lies on the disk; members of archives are copied for as long as needed.

    Raises:
        ItemError: too large to be copied out of an archive.
    """
    if item.path is not None:
        yield item.path
        return
    if item.size > _MOST_COPY:
        raise ItemError(
            item.name, f"{item.size:,} bytes in an archive, more than the {_MOST_COPY:,} that are copied"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.h5"
        with item.open() as stream, path.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        yield path


def ask_h5(name: str, script: Path, arguments: Sequence[str], what: str) -> bytes:
    """What a script says.

    Args:
        name: of the item, for messages.
        script: of this package.
        arguments: for it, the file among them.
        what: that is done, for messages, e.g. "reading its outline".

    Raises:
        ItemError: it crashed, met a limit, or refuses the file.
    """
    environment = {**os.environ, "HDF5_PLUGIN_PRELOAD": "::", "HDF5_USE_FILE_LOCKING": "FALSE"}  # no plug-ins
    try:
        done = subprocess.run(  # noqa: S603 (this interpreter, a script of this package)
            [sys.executable, "-P", str(_LIMITED), str(script), *arguments],
            capture_output=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ItemError(name, f"{what} took more than {_SECONDS} s") from error
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = f"the reader of HDF5 ended with {done.returncode}"
        raise ItemError(name, f"no HDF5 that can be read ({last[:200] or reason})")
    return done.stdout
