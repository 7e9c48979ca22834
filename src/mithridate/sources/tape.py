"""A tar archive read from front to back: what is in it and where, plain or packed, hostile or cut off."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mithridate.sources.folder import shown

__all__ = ["TAR_PACKED", "Member", "Samples", "Tape", "cut_reason"]

#: how what comes after ".tar" is packed.
TAR_PACKED = {".gz": "gzip", ".tgz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_HEADER = 16 << 20  # most bytes of one extended header; they are read whole
_STEP = 4 << 20
_ZEROS = b"\0" * 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One member.

    Attributes:
        name: as the archive has it; it is never used as a path.
        start: where its headers begin, in the unpacked archive.
        data: where its content begins.
        size: bytes of content.
        end: where the next member begins.
        refused: why its content is not read; empty where it is.
        info: its header.
    """

    name: str
    start: int
    data: int
    size: int
    end: int
    refused: str
    info: tarfile.TarInfo


class Tape:
    """The bytes of an archive, unpacked. Going on is cheap; going back in a packed one starts again.

    It is what `tarfile` reads its headers from, and bounds what a header may claim to hold.

    Args:
        path: the archive.

    Raises:
        ReadError: no regular file.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._packing = path, TAR_PACKED.get(path.suffix.lower())
        self.last = b""
        self.known = 0  # bytes that are there for sure
        self._at = 0  # where the next read is
        self._stream: Any = None
        self._place = 0  # where the stream is
        self._rewind()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def tell(self) -> int:
        """Where the next read is."""
        return self._at

    def seek(self, at: int) -> int:
        """Go to a place; nothing is read before `read`."""
        self._at = at
        return at

    def read(self, size: int) -> bytes:
        """Read a header, for `tarfile`.

        Raises:
            ReadError: more than a header may hold.
        """
        if size > _HEADER:
            raise tarfile.ReadError(f"a header that claims {size:,} bytes")
        self.last = self.content(self._at, size)
        self._at += len(self.last)
        return self.last

    def content(self, at: int, size: int) -> bytes:
        """These bytes; fewer where the archive ends.

        Raises:
            OSError: the file cannot be read or unpacked.
        """
        self._go(at)
        parts, missing = [], size
        while missing and (part := self._stream.read(min(missing, _STEP))):
            parts.append(part)
            missing -= len(part)
        self._place = at + size - missing
        self.known = max(self.known, self._place if parts else 0)
        return b"".join(parts)

    def _go(self, at: int) -> None:
        if self._packing is None:
            self._stream.seek(at)
            return
        if at < self._place:
            self._rewind()
        while self._place < at and (part := self._stream.read(min(at - self._place, _STEP))):
            self._place += len(part)
        self.known = max(self.known, self._place)

    def _rewind(self) -> None:
        import pyarrow as pa

        if self.path.exists() and not self.path.is_file():
            raise tarfile.ReadError("no regular file")  # a pipe would never end
        self.close()
        self._place = 0
        if self._packing is None:
            self._stream = self.path.open("rb")
        else:
            self._stream = pa.CompressedInputStream(pa.OSFile(str(self.path)), self._packing)

    def members(self) -> Iterator[Member]:
        """Yield the members whose content is there to the end.

        Raises:
            ReadError: the archive is damaged or cut off behind what was yielded; the text says how.
        """
        held: Member | None = None
        try:
            opened: Any = tarfile.TarFile(fileobj=self, mode="r")  # type: ignore[arg-type]
            with opened as tar:
                while (info := tar.next()) is not None:
                    tar.members.clear()  # else it keeps every header
                    if info.size < 0 or tar.offset <= info.offset:
                        raise tarfile.ReadError("a header that leads back")  # it would be read for ever
                    if held is not None:
                        yield held
                    held = _member(info, tar.offset)
        except Exception as error:  # tarfile raises whatever it likes on hostile bytes
            if held is not None and self.known >= held.data + held.size:
                yield held
                held = None
            raise tarfile.ReadError(cut_reason(error, held)) from error
        if held is not None:
            yield held
        if self.last != _ZEROS:  # for tarfile, the end of the file is an end, and so is a broken header
            raise tarfile.ReadError(cut_reason(None, None))
        if self.content(self._at, 1 << 16).strip(b"\0"):
            raise tarfile.ReadError("more behind its end mark, which is not read")


def _member(info: tarfile.TarInfo, end: int) -> Member:
    refused = "" if info.isreg() and not info.issparse() else "a file with holes"
    if info.issym() or info.islnk():
        refused = "a link, which is not followed"
    elif not info.isreg():
        refused = "a folder" if info.isdir() else "no regular file"
    return Member(
        name=info.name,
        start=info.offset,
        data=info.offset_data,
        size=info.size,
        end=end,
        refused=refused,
        info=info,
    )


def cut_reason(error: Exception | None, within: Member | None) -> str:
    """What is wrong with an archive, for people."""
    told = "" if error is None else f" ({str(error)[:200]})"
    return f"cut off or damaged{told}" + (f", within {shown(within.name)!r}" if within is not None else "")


class Samples:
    """Which sample each member belongs to: those of one archive with the same path up to the first dot.

    A second member with the same whole name begins another sample, so that nothing hides behind it.
    """

    def __init__(self) -> None:
        self._bits: dict[str, int] = {}  # of each suffix
        self._seen: dict[str, tuple[int, int]] = {}  # key: which of that key, suffixes it has

    def of(self, name: str) -> tuple[str, str] | None:
        """(key, suffix without the first dot) of a member; None for hidden files and names without a suffix."""
        folder, slash, file = (name if name.isascii() else shown(name)).removeprefix("./").rpartition("/")
        stem, dot, suffix = file.partition(".")
        if not stem or not dot or not suffix:
            return None
        key, suffix = f"{folder}{slash}{stem}", suffix.lower()
        bit = self._bits.setdefault(suffix, 1 << len(self._bits))
        which, has = self._seen.get(key, (1, 0))
        which, has = (which + 1, bit) if has & bit else (which, has | bit)
        self._seen[key] = which, has
        return key if which == 1 else f"{key}~{which}", suffix
