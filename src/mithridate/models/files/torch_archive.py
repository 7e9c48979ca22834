"""The zip that torch writes: records under one folder, read one at a time and never unpacked as a whole.

Reference:
    PyTorch, `caffe2/serialize/inline_container.h` (BSD-3-Clause): records, alignment, `byteorder`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import BinaryIO, Final, Literal

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item

__all__ = ["Archive"]

_RECORDS: Final = 200_000
_LOCAL: Final = 30  # bytes of a local header before its name
_UNPACKED: Final = 1 << 30  # bytes of a packed record; torch packs none but code
_ENCRYPTED: Final = 0x1
_BROKEN: Final = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    zlib.error,
    OSError,
)


class Archive:
    """Records of a torch zip by name, without the folder that all of them lie in.

    Args:
        item: the file.

    Raises:
        ItemError: it is no zip, or one that two readers would read differently.
    """

    def __init__(self, item: Item) -> None:
        self.item = item
        with item.open() as stream:
            try:
                infos = zipfile.ZipFile(stream).infolist()
            except (*_BROKEN, ValueError) as error:
                raise ItemError(item.name, f"no zip: {str(error)[:200]}") from error
        if not infos or len(infos) > _RECORDS:
            raise ItemError(item.name, f"a zip of {len(infos):,} members")
        self.root = infos[0].filename.split("/", 1)[0] + "/"
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = info.filename.removeprefix(self.root)
            if name in self._infos:
                raise ItemError(item.name, f"two members called {name!r}")
            if not info.is_dir():
                self._infos[name] = info

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def size(self, name: str) -> int:
        """Bytes of a record, as the directory says."""
        return self._info(name).file_size

    def under(self, folder: str) -> Mapping[str, str]:
        """Records of a folder: the name below it → the whole name."""
        return {name[len(folder) :]: name for name in self._infos if name.startswith(folder)}

    def read(self, name: str, most: int = 64 << 20) -> bytes:
        """A record.

        Args:
            name: of the record.
            most: how many bytes it may have.

        Raises:
            ItemError: it is missing, larger, or broken.
        """
        info = self._info(name)
        if info.file_size > most:
            raise ItemError(self.item.name, f"{name}: {info.file_size:,} bytes, more than {most:,}")
        return self.piece(name, 0, info.file_size)

    def piece(self, name: str, start: int, count: int) -> bytes:
        """Some bytes of a record.

        Raises:
            ItemError: the record has fewer, or is broken.
        """
        info = self._info(name)
        if start < 0 or count < 0 or start + count > info.file_size:
            reason = f"{name}: bytes {start:,} to {start + count:,} of a record of {info.file_size:,}"
            raise ItemError(self.item.name, reason)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ItemError(self.item.name, f"{name}: packed in a way that torch does not write")
        if info.compress_type == zipfile.ZIP_DEFLATED and start + count > _UNPACKED:
            raise ItemError(self.item.name, f"{name}: {info.file_size:,} bytes once unpacked")
        try:
            with self.item.open() as stream:
                first = _content(stream, info, self.item.name)
                if info.compress_type == zipfile.ZIP_STORED:
                    stream.seek(first + start)
                    content = stream.read(count)
                else:
                    stream.seek(first)
                    packed = stream.read(info.compress_size)
                    content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, start + count)[start:]
        except _BROKEN as error:
            raise ItemError(self.item.name, f"{name}: {str(error)[:200]}") from error
        if len(content) != count:
            raise ItemError(self.item.name, f"{name}: breaks off")
        return content

    @cached_property
    def byteorder(self) -> Literal["<", ">"]:
        """Of the numbers in storages, as numpy writes it."""
        return ">" if "byteorder" in self and self.read("byteorder", 64).strip() == b"big" else "<"

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of some records that are not there."""
        return [name for name in names if name not in self]

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = self._infos.get(name)
        if info is None:
            raise ItemError(self.item.name, f"the record {name!r} is missing")
        if info.flag_bits & _ENCRYPTED:
            raise ItemError(self.item.name, f"{name}: encrypted")
        return info


def _content(stream: BinaryIO, info: zipfile.ZipInfo, name: str) -> int:
    """Where the bytes of a stored member begin; its own header may be longer than the directory's copy."""
    if info.header_offset < 0:
        raise ItemError(name, f"{info.filename}: the directory points before the file")
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL)
    if len(header) < _LOCAL or header[:4] != b"PK\x03\x04":
        raise ItemError(name, f"{info.filename}: the directory points to no member")
    sizes = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return info.header_offset + _LOCAL + sizes
