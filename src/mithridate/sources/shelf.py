"""A place for files that appear whole or not at all: a folder of any disk, or an object store."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from mithridate.core.errors import UsageError
from mithridate.sources.stores import answering, is_uri, opened_store

__all__ = ["Shelf"]

Done = TypeVar("Done")


class Shelf:
    """Files by name.

    Args:
        place: folder, which is made where it is missing, or the URI of one in a store.

    Raises:
        UsageError: no such store, or it cannot be reached.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._remote = opened_store(place) if is_uri(place) else None
        if self._remote is None:
            with _writable(place):
                Path(place).mkdir(parents=True, exist_ok=True)

    def names(self) -> set[str]:
        """Of the files that are there.

        Raises:
            UsageError: the place cannot be listed.
        """
        if self._remote is None:
            with _writable(self.place):
                return {file.name for file in Path(self.place).iterdir()}
        store, root = self._remote
        with answering(self.place):
            store.invalidate_cache()
            found = store.ls(root, detail=False) if store.exists(root) else ()
            return {name.rstrip("/").rsplit("/", 1)[-1] for name in found}

    def write(self, name: str, fill: Callable[[Path], Done]) -> Done:
        """Have a file written, and put it in its place once it is whole.

        Args:
            name: of the file; an existing one is replaced.
            fill: writes the file of this path.

        Returns:
            What `fill` returned.

        Raises:
            UsageError: the place cannot be written to.
            OSError: the disk is full.
        """
        if self._remote is None:
            part = Path(self.place) / f".{name}.{secrets.token_hex(4)}"
            try:
                done = fill(part)
                part.replace(Path(self.place) / name)
            finally:
                part.unlink(missing_ok=True)
            return done
        store, root = self._remote
        with TemporaryDirectory(prefix="mithridate-") as folder:
            done = fill(Path(folder) / name)
            with answering(self.place):  # a store shows what was put into it when all of it is there
                store.put_file(str(Path(folder) / name), f"{root}/{name}")
        return done

    def opens(self, name: str) -> Callable[[], Any]:
        """Opens a file for reading; nothing is read before."""
        if self._remote is None:
            return lambda: (Path(self.place) / name).open("rb")
        store, root = self._remote
        return lambda: store.open(f"{root}/{name}", "rb")


@contextmanager
def _writable(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            "a folder that can be written to", why, place, "Check its path and rights."
        ) from error
