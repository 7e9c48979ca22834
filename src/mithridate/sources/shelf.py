"""A place for files that appear whole or not at all: a folder of any disk, or an object store."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from mithridate.core.errors import UsageError

__all__ = ["Shelf"]

Done = TypeVar("Done")


class Shelf:
    """Files by name.

    Args:
        place: folder, or the URI of one in a store that pyarrow reaches, such as s3://bucket/folder.

    Raises:
        UsageError: no such store, or it cannot be reached.
    """

    def __init__(self, place: str) -> None:
        from pyarrow import fs

        self.place = place
        try:
            if "://" in place:
                self._files, self._root = fs.FileSystem.from_uri(place)
            else:
                self._files, self._root = fs.LocalFileSystem(), str(Path(place).absolute())
            self._files.create_dir(self._root, recursive=True)
        except (OSError, ValueError) as error:
            raise self._refused(error) from error

    def names(self) -> set[str]:
        """Of the files that are there."""
        from pyarrow import fs

        try:
            listed = self._files.get_file_info(fs.FileSelector(self._root))
        except OSError as error:
            raise self._refused(error) from error
        return {info.base_name for info in listed if info.type == fs.FileType.File}

    def write(self, name: str, fill: Callable[[Path], Done]) -> Done:
        """Have a file written on the local disk, then put it in its place.

        Args:
            name: of the file; an existing one is replaced.
            fill: writes the file of this path.

        Returns:
            What `fill` returned.

        Raises:
            UsageError: the place cannot be written to.
        """
        from pyarrow import fs

        with TemporaryDirectory(prefix="mithridate-") as folder:
            local, part = Path(folder) / "file", f"{self._root}/.{name}.{secrets.token_hex(4)}"
            done = fill(local)
            try:
                fs.copy_files(str(local), part, source_filesystem=fs.LocalFileSystem(),
                              destination_filesystem=self._files)  # fmt: skip
                self._files.move(part, f"{self._root}/{name}")
            except OSError as error:
                raise self._refused(error) from error
        return done

    def opens(self, name: str) -> Callable[[], Any]:
        """Opens a file for reading; nothing is read before."""
        return lambda: self._files.open_input_file(f"{self._root}/{name}")

    def _refused(self, error: Exception) -> UsageError:
        from urllib.parse import urlsplit

        secret = urlsplit(self.place).password
        where, why = (t.replace(secret, "…") if secret else t for t in (self.place, str(error)))
        remedy = "Check the place, and the rights and keys that the store asks for."
        return UsageError("a folder or an object store", why, where, remedy)
