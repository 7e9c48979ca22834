"""Which members of a zip are the numbers of tensors, and reading members that are packed or not."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

from mithridate.models.files.item import Item
from mithridate.models.files.streams import Spool, unpack, window
from mithridate.models.files.torch_zip import payload_members
from mithridate.models.files.zips import ZipEntry, ZipIndex

__all__ = ["open_entry", "payload"]

_PACKINGS = {8: "deflate", 12: "bzip2"}
#: Indices of tensors are small; what is larger once unpacked is none.
_MOST_INDEX = 256 << 20


def open_entry(item: Item, entry: ZipEntry, most: int) -> tuple[BinaryIO, int]:
    """A stream over a member as it is once unpacked, and its size.

    Args:
        item: the zip.
        entry: the member.
        most: bytes to which it may unpack.

    Raises:
        OSError: it cannot be read, is damaged, or unpacks to more.
    """
    if entry.data is None:
        raise OSError(0, "no member begins there")
    if not entry.method:
        return window(item.open(), entry.data, entry.packed), entry.packed
    if entry.method not in _PACKINGS:
        raise OSError(0, f"packed by method {entry.method}")
    spool = Spool()
    try:
        with window(item.open(), entry.data, entry.packed) as stream:
            for content, _ in unpack(stream, _PACKINGS[entry.method]):
                spool.write(content)
                if spool.size > most:
                    raise OSError(0, f"it unpacks to more than {most:,} bytes")
    except ValueError as error:
        raise OSError(0, str(error)) from error
    return spool.open(), spool.size


def payload(item: Item, index: ZipIndex, opcodes: int) -> dict[str, int | None]:
    """Members that are the numbers of tensors: name → bytes that they should have, None when that is not told.

    Args:
        item: the zip.
        index: of it.
        opcodes: operations of a pickle that are read.
    """
    by_name = {entry.name: entry for entry in index.entries if entry.data is not None}

    def open_(name: str) -> tuple[BinaryIO, int] | None:
        try:
            return open_entry(item, by_name[name], _MOST_INDEX)
        except OSError:
            return BytesIO(), 0  # the walk says why

    return payload_members(by_name, open_, opcodes)
