"""Bytes of a text file → str, and back in the encoding that the file has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mithridate.core.errors import ItemError
from mithridate.sources.limits import Limits

__all__ = ["TEXT_SUFFIXES", "decode_text", "encode_text", "encode_text_alike"]

TEXT_SUFFIXES = frozenset((".txt", ".text"))
_BOM = b"\xef\xbb\xbf"


def decode_text(data: bytes, item: str, limits: Limits) -> tuple[str, Mapping[str, str]]:
    """Decode one text file: UTF-8, or where that fails Latin-1, in which old collections of mail and news are.

    Args:
        data: the whole file.
        item: id, for the error.
        limits: most bytes.

    Returns:
        The text, and the encoding of the file.

    Raises:
        ItemError: empty, over the limit, or no text: it holds a zero byte.
    """
    if not data:
        raise ItemError(item, "the file is empty (0 bytes)")
    if len(data) > limits.item_bytes:
        raise ItemError(item, f"{len(data):,} bytes, over the limit of {limits.item_bytes:,}")
    if b"\0" in data:
        raise ItemError(item, "no text: it holds a zero byte")
    encoding = _encoding(data)
    return data.removeprefix(_BOM).decode(encoding), {"encoding": encoding}


def _encoding(data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def encode_text(raw: Any, kind: str, quality: int | None) -> bytes:
    """A text as the bytes of a file; `kind` and `quality` are those of every encoder and mean nothing here."""
    return str(raw).encode("utf-8", "replace")


def encode_text_alike(raw: Any, like: bytes) -> bytes:
    """A text as bytes in the encoding of another file, where that can hold it; else in UTF-8."""
    mark = _BOM if like.startswith(_BOM) else b""
    try:
        return mark + str(raw).encode(_encoding(like))
    except UnicodeEncodeError:
        return mark + encode_text(raw, "TXT", None)
