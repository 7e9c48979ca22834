"""One thing to look at when a model is scanned: a file, or a member of an archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from mithridate.core.errors import ItemError

__all__ = ["Item", "Kind"]

#: What a file is by its content. A zip is told by its members: "torch" (data.pkl), "torchscript" (code/ as well),
#: "pt2", "npz", "keras", "skops" or plain "zip".
Kind: TypeAlias = Literal[
    "pickle", "zip", "torch", "torchscript", "pt2", "npz", "keras", "skops",
    "tar", "gzip", "bzip2", "xz", "zlib", "lzma", "7z", "rar", "lz4", "zstd",
    "onnx", "safetensors", "gguf", "npy", "hdf5", "savedmodel", "tflite", "executorch",
    "lightgbm", "xgboost-json", "xgboost-ubj", "catboost",
    "json", "python", "template", "text", "library", "image", "empty", "unknown",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """A file or a member of an archive; its bytes are read when asked for, and never more than asked for.

    Attributes:
        name: path relative to what is scanned; members follow their archive after "!", e.g. "a.pt!data.pkl".
        kind: what it is, by content.
        size: in bytes, once unpacked.
        opener: gives a new binary stream that can seek, at its start; see `open`.
        path: where these very bytes lie on the disk; None for members of archives.
        inside: the archive that it is a member of.
        tensor: the bytes are the raw storage of a tensor that the archive's own index refers to: numbers only.
    """

    name: str
    kind: Kind
    size: int
    opener: Callable[[], BinaryIO] = field(repr=False)
    path: Path | None = None
    inside: Item | None = None
    tensor: bool = False

    def open(self) -> BinaryIO:
        """A binary stream at the start of the item; the caller closes it.

        Raises:
            ItemError: it cannot be read.
        """
        try:
            return self.opener()
        except OSError as error:
            raise ItemError(self.name, error.strerror or str(error)) from error

    def head(self, count: int = 4096) -> bytes:
        """The first bytes."""
        with self.open() as stream:
            return stream.read(count)

    def read(self, most: int) -> bytes:
        """All bytes.

        Args:
            most: how many there may be.

        Raises:
            ItemError: there are more.
        """
        if self.size > most:
            raise ItemError(self.name, f"{self.size:,} bytes, more than the {most:,} that are read at once")
        with self.open() as stream:
            content = stream.read(most + 1)
        if len(content) > most:
            raise ItemError(self.name, f"more than the {most:,} bytes that are read at once")
        return content
