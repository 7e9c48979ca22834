"""Writes a torch zip: another one's records, some replaced, some left out.

Reference:
    PyTorch, `caffe2/serialize/inline_container.cc` (BSD-3-Clause): storages begin at multiples of 64 bytes.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Collection, Mapping
from typing import BinaryIO, Final

from mithridate.models.files.torch_archive import Archive

__all__ = ["copy_archive"]

_STEP: Final = 64  # bytes that storages are aligned to
_CHUNK: Final = 16 << 20
_PADDING: Final = 0x4246  # torch's id of the padding in a member's header
_DATE: Final = (1980, 1, 1, 0, 0, 0)


def copy_archive(
    source: Archive, target: BinaryIO, *, replaced: Mapping[str, bytes], dropped: Collection[str] = ()
) -> None:
    """Copy an archive.

    Args:
        source: what is copied.
        target: where to; at its start.
        replaced: new bytes of some records.
        dropped: records that the copy does not have.

    Raises:
        ItemError: a record cannot be read.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in source:
            if name in dropped:
                continue
            info = zipfile.ZipInfo(source.root + name, _DATE)
            if name.startswith("code/"):
                info.compress_type = zipfile.ZIP_DEFLATED
            size = len(replaced[name]) if name in replaced else source.size(name)
            info.file_size = size
            info.extra = _padding(target.tell() + 30 + len(info.filename.encode()))
            with archive.open(info, "w") as record:
                if name in replaced:
                    record.write(replaced[name])
                    continue
                for start in range(0, size, _CHUNK):
                    record.write(source.piece(name, start, min(_CHUNK, size - start)))


def _padding(end_of_header: int) -> bytes:
    """An extra field that makes what follows it begin at a multiple of 64 bytes."""
    room = -(end_of_header + 4) % _STEP
    return struct.pack("<HH", _PADDING, room) + b"Z" * room
