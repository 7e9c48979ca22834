"""Where an audit keeps its intermediate files, so that an interrupted one goes on."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from mithridate.core.cache import cache_folder

__all__ = ["cache_folder", "work_folder"]

_LOCK = "lock"
_FORGOTTEN = 14 * 86400.0  # seconds after which nobody will go on with an interrupted audit


@contextmanager
def work_folder(uri: str, options: Mapping[str, Any], seed: int) -> Iterator[Path]:
    """A folder that the same audit finds again after an interruption, and that is removed when it ends well.

    While another process works in it, and where there is no place for it, it is a temporary one.

    Args:
        uri: of the data.
        options: how it is read.
        seed: of the run.
    """
    from mithridate import __version__

    told = json.dumps(
        [str(Path(uri).resolve()), dict(options), seed, __version__], sort_keys=True, default=str
    )
    folder = cache_folder() / blake2b(told.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    with ExitStack() as held:
        if not _taken(folder, held):
            yield Path(held.enter_context(TemporaryDirectory(prefix="mithridate-")))
            return
        _forget_old(folder)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def _taken(folder: Path, held: ExitStack) -> bool:
    """Make the folder and lock it for this process."""
    try:
        # Copies of private data go in here.
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = held.enter_context((folder / _LOCK).open("wb"))
        os.utime(folder)
    except OSError:
        return False
    return _locked(lock)


def _locked(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # no such locks here: trust that nobody else is at it
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _forget_old(mine: Path) -> None:
    """Remove what interrupted audits left behind long ago."""
    for folder in mine.parent.iterdir():
        try:
            old = (
                folder != mine
                and (folder / _LOCK).is_file()
                and time.time() - folder.stat().st_mtime > _FORGOTTEN
            )
            if not old:
                continue
            with (folder / _LOCK).open("ab") as lock:
                if _locked(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # not ours to remove
            continue
