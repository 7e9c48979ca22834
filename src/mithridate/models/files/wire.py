"""Protocol buffers by their wire format: enough to tell which message a file holds.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Field", "fields", "message_kind"]

_MOST_FIELDS = 64


class Field(NamedTuple):
    """One field: its number, wire type, where its content begins, and its length (a varint's value)."""

    number: int
    type: int
    start: int
    length: int


def fields(content: bytes, start: int, stop: int) -> Iterator[Field]:
    """The fields of a message.

    Args:
        content: may end before `stop`; the fields end there, too.
        start: of the message in it.
        stop: of the message.

    Raises:
        ValueError: this is no message.
    """
    at = start
    while at < stop and at < len(content):
        try:
            key, at = _varint(content, at)
            number, type_ = key >> 3, key & 7
            if type_ == 0:
                value, after = _varint(content, at)
                yield Field(number, 0, at, value)
                at = after
                continue
            if type_ == 2:
                length, at = _varint(content, at)
            else:
                length = {1: 8, 5: 4}.get(type_, -1)
        except IndexError:
            return
        if length < 0 or not number or length > stop - at:
            raise ValueError(f"no field at byte {at}")
        yield Field(number, type_, at, length)
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number without an end at byte {at}")


#: Field number → wire type, of the messages that are told apart (onnx.proto3, saved_model.proto, graph.proto).
_ONNX_MODEL = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_ONNX_GRAPH = {1: 2, 2: 2, 5: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 2, 15: 2, 16: 2}
_SAVED_MODEL = {1: 0, 2: 2}
_META_GRAPH = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2}
_TF_GRAPH = {1: 2, 2: 2, 3: 0, 4: 2}
_TF_NODE = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2}


def message_kind(head: bytes, size: int) -> str | None:
    """Tell "onnx" from "savedmodel" (also a frozen graph of TensorFlow); None when it is neither.

    Args:
        head: the first bytes.
        size: of the file.
    """
    found = _conforms(head, 0, size, _ONNX_MODEL)
    if found and _is_onnx(head, found):
        return "onnx"
    found = _conforms(head, 0, size, _SAVED_MODEL)
    if found and any(
        f.number == 2 and _conforms(head, f.start, f.start + f.length, _META_GRAPH) for f in found
    ):
        return "savedmodel"
    found = _conforms(head, 0, size, _TF_GRAPH)
    if found and found[0].number == 1 and _is_node(head, found[0]):
        return "savedmodel"
    return None


def _conforms(head: bytes, start: int, stop: int, message: dict[int, int]) -> list[Field]:
    """The fields, if they are those of the message; else nothing."""
    found: list[Field] = []
    try:
        for part in fields(head, start, stop):
            if message.get(part.number) != part.type:
                return []
            found.append(part)
            if len(found) == _MOST_FIELDS:
                break
    except ValueError:
        return []
    return found


def _is_onnx(head: bytes, found: list[Field]) -> bool:
    if any(f.number == 1 and not 0 < f.length < 100 for f in found):
        return False
    if any(
        f.number in (2, 3, 4) and not _is_text(head[f.start : f.start + min(f.length, 256)]) for f in found
    ):
        return False
    graphs = [f for f in found if f.number == 7]
    if graphs:
        return all(_conforms(head, f.start, f.start + f.length, _ONNX_GRAPH) or not f.length for f in graphs)
    return {1, 8} <= {f.number for f in found}


def _is_node(head: bytes, part: Field) -> bool:
    inner = _conforms(head, part.start, part.start + part.length, _TF_NODE)
    named = {f.number for f in inner if f.number in (1, 2) and _is_text(head[f.start : f.start + f.length])}
    return named == {1, 2}


def _is_text(raw: bytes) -> bool:
    return all(32 <= byte < 127 for byte in raw)
