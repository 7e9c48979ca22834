"""Parts of files as files, and packed bytes unpacked within limits."""

from __future__ import annotations

import bz2
import io
import lzma
import tempfile
import threading
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO, cast

__all__ = ["PACKINGS", "Spool", "Window", "unpack", "window"]

_CHUNK = 1 << 20
#: What stays in memory before it goes to a temporary file.
_IN_MEMORY = 16 << 20
_XZ_MEMORY = 256 << 20


class Window(io.RawIOBase):
    """A part of a stream, without a copy.

    Args:
        stream: seekable.
        start: first byte of the part.
        size: its length; what the stream does not have is missing at the end.
        lock: held while the stream is moved, when others move it, too.
        owned: close the stream when the window is closed.
    """

    def __init__(
        self, stream: Any, start: int, size: int, *, lock: threading.Lock | None = None, owned: bool = True
    ) -> None:
        self._stream, self._start, self._size = stream, start, size
        self._lock, self._owned, self._at = lock or threading.Lock(), owned, 0

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:  # noqa: D102
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: D102
        view = memoryview(buffer)[: max(self._size - self._at, 0)]
        if not len(view):
            return 0
        with self._lock:
            self._stream.seek(self._start + self._at)
            count: int = self._stream.readinto(view) or 0
        self._at += count
        return count

    def close(self) -> None:  # noqa: D102
        if not self.closed and self._owned:
            self._stream.close()
        super().close()


def window(stream: Any, start: int, size: int, **how: Any) -> BinaryIO:
    """A buffered `Window`."""
    return cast("BinaryIO", io.BufferedReader(Window(stream, start, size, **how), 1 << 16))


class Spool:
    """Unpacked bytes, in memory while few and in an anonymous file once many; gone with the last reference."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._lock = threading.Lock()
        self.size = 0
        weakref.finalize(self, self._file.close)

    def write(self, content: bytes) -> None:
        """Put more behind."""
        self._file.write(content)
        self.size += len(content)

    def open(self) -> BinaryIO:
        """A stream of its own over the bytes."""
        raw = Window(_Kept(self, self._file), 0, self.size, lock=self._lock, owned=False)
        return cast("BinaryIO", io.BufferedReader(raw, 1 << 16))


class _Kept:
    """The file of a spool, which stays open as long as anybody reads it."""

    def __init__(self, spool: Spool, file: IO[bytes]) -> None:
        self._spool, self._file = spool, file

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def readinto(self, view: memoryview) -> int:
        content = self._file.read(len(view))
        view[: len(content)] = content
        return len(content)


#: Name of a packing → a new engine for one packed stream.
PACKINGS: dict[str, Callable[[], Any]] = {
    "deflate": lambda: zlib.decompressobj(-15),
    "gzip": lambda: zlib.decompressobj(31),
    "zlib": lambda: zlib.decompressobj(15),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _XZ_MEMORY),
}


def unpack(stream: BinaryIO, packing: str) -> Iterator[tuple[bytes, int]]:
    """Unpack one packed stream from where `stream` stands.

    Yields:
        At most 1 MiB each, and how many packed bytes were used so far; the last is empty and comes only when the
        packed stream ended as it should.

    Raises:
        ValueError: it is damaged or cut off.
    """
    engine = PACKINGS[packing]()
    read, pending = 0, b""
    while not engine.eof:
        if not pending and getattr(engine, "needs_input", True):
            pending = stream.read(_CHUNK)
            read += len(pending)
            if not pending:
                raise ValueError("it is cut off")
        try:
            out = engine.decompress(pending, _CHUNK)
        except (zlib.error, OSError, EOFError, lzma.LZMAError, MemoryError) as error:
            raise ValueError(str(error) or type(error).__name__) from error
        pending = getattr(engine, "unconsumed_tail", b"")
        if out:
            yield out, read
    yield b"", read - len(engine.unused_data)
