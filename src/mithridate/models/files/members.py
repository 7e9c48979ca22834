"""The members of a zip that is one model: names, sizes, and bytes when asked for, within limits."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item

__all__ = ["Members", "open_members"]

_MOST_MEMBERS = 100_000
_DIRECTORY = 64 << 20
_PIECE = 16 << 20


class _Bounded:
    """A stream that refuses to read much at once: the size of a zip's directory is what the zip says it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, count: int = -1) -> bytes:
        got = (
            self._stream.read(_DIRECTORY + 1) if count < 0 or count > _DIRECTORY else self._stream.read(count)
        )
        if len(got) > _DIRECTORY:
            raise zipfile.BadZipFile(f"an index of more than {_DIRECTORY:,} bytes")
        return got


class Members:
    """What a zip holds, by name.

    Args:
        item: the zip, for messages.
        archive: opened.
    """

    def __init__(self, item: Item, archive: zipfile.ZipFile) -> None:
        self._item, self._archive = item, archive
        if len(archive.infolist()) > _MOST_MEMBERS:
            raise ItemError(item.name, f"more than {_MOST_MEMBERS:,} members")
        #: bytes of each member once unpacked, as the zip has it.
        self.sizes = {info.filename: info.file_size for info in archive.infolist()}

    def under(self, part: str) -> list[str]:
        """Names that contain `part` as folders, e.g. "data/weights/" in "model/data/weights/weight_0"."""
        return [name for name in self.sizes if f"/{part}" in f"/{name}"]

    def read(self, name: str, most: int) -> bytes:
        """All bytes of a member.

        Raises:
            ItemError: missing, damaged, encrypted, packed in an unknown way, or more than `most` bytes.
        """
        return b"".join(self.pieces(name, most))

    def pieces(self, name: str, most: int) -> Iterator[bytes]:
        """The bytes of a member, piece by piece.

        Raises:
            ItemError: as `read`.
        """
        where, whole = f"{self._item.name}!{name}", most
        try:
            with self._archive.open(name) as stream:
                while piece := stream.read(min(_PIECE, most + 1)):
                    most -= len(piece)
                    if most < 0:
                        break
                    yield piece
        except KeyError as error:
            raise ItemError(self._item.name, f"it has no member {name[:80]!r}") from error
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
            raise ItemError(where, f"cannot be unpacked ({error})") from error
        except (RuntimeError, NotImplementedError) as error:  # encrypted; a method that Python does not know
            raise ItemError(where, str(error)) from error
        if most < 0:
            raise ItemError(where, f"more than the {whole:,} bytes that are read at once")


@contextmanager
def open_members(item: Item) -> Iterator[Members]:
    """Open a zip.

    Raises:
        ItemError: no zip, or one that is damaged or beyond the limits.
    """
    with item.open() as stream:
        try:
            archive = zipfile.ZipFile(_Bounded(stream))
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
            raise ItemError(item.name, f"no zip that can be read ({error})") from error
        with archive:
            yield Members(item, archive)
