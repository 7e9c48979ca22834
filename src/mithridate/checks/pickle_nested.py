"""Looks into the texts and bytes of a pickle for pickles that its code, or somebody else's, may load later."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from mithridate.checks.pickle_judge import Judgement, take
from mithridate.checks.pickle_names import Standing
from mithridate.models.files.encoded import decodings
from mithridate.models.files.item import Item
from mithridate.models.files.limits import ScanLimits
from mithridate.models.files.opcodes import Blob
from mithridate.models.files.pickle_file import Rest, Section, first_pickle, read_pickles
from mithridate.models.files.pickles import Data, Ended
from mithridate.models.files.sniff import HEAD, is_pickle, sniff
from mithridate.models.files.streams import window
from mithridate.models.files.unfold import Budget, unfold

__all__ = ["Nested", "NestedSearch"]

#: What every pickle that imports something holds: a name over two lines, an import from the stack, or by number.
_IMPORTS = re.compile(rb"\n[A-Za-z_][\w.]*\r?\n|[\x82-\x84\x93]")
_DECLARED = re.compile(rb"\x80[\x02-\x05]")
_PACKED = frozenset({"gzip", "zlib", "bzip2", "xz", "lzma", "zip", "tar"})
_MOST_WHOLE, _MOST_STARTS, _MOST_TRIED = 1 << 20, 32, 200_000
_MOST_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Nested:
    """A pickle inside another one.

    Attributes:
        how: what it takes to get at it, outermost first, e.g. ("base 64", "gzip").
        offset: of the text or bytes that hold it.
        judgement: of the pickle.
    """

    how: tuple[str, ...]
    offset: int
    judgement: Judgement


class NestedSearch:
    """Looks into data, each once, within limits.

    Args:
        limits: how deep, and how many operations of one pickle.
    """

    def __init__(self, limits: ScanLimits) -> None:
        self._limits = limits
        self._seen: set[tuple[int, int]] = set()
        self._bytes = 0
        #: why not all was looked into; "" while all was.
        self.gave_up = ""

    def look(self, item: Item, event: Data) -> Iterator[Nested]:
        """Pickles in one text or bytes that do more than ordinary ones.

        Args:
            item: that the event comes from; long data are read from it.
            event: the data.
        """
        value = event.value
        if isinstance(value, Blob):
            yield from self.region(item, value.offset, value.length, event.offset)
        else:
            yield from self._value(value, (), event.offset, 0)

    def region(self, item: Item, start: int, size: int, offset: int) -> Iterator[Nested]:
        """Pickles in a part of an item, which is read as far as it takes."""
        with window(item.open(), start, size) as stream:
            head = stream.read(HEAD)
            if _is_text(head):
                stream.seek(0)
                yield from self._value(stream.read(16 << 20), (), offset, 0)
            elif size <= _MOST_WHOLE:
                yield from self._value(head + stream.read(), (), offset, 0)
            elif sniff(head, size, "") in _PACKED:
                opener = lambda: window(item.open(), start, size)  # noqa: E731
                yield from self._packed(opener, head, size, (), offset, 0)
            elif is_pickle(head, size):
                yield from self._pickles(stream, size, (), offset, 0)

    def _value(self, value: str | bytes, how: tuple[str, ...], offset: int, depth: int) -> Iterator[Nested]:
        key = (len(value), hash(value))
        if len(value) < 12 or key in self._seen or self.gave_up:
            return
        self._bytes += len(value)
        if len(self._seen) < _MOST_TRIED:
            self._seen.add(key)
        if self._bytes > _MOST_BYTES:
            self.gave_up = f"more than {_MOST_BYTES:,} bytes of texts and decoded data inside its pickles"
            return
        for encoding, raw in decodings(value):
            yield from self._raw(
                raw, how if encoding in ("text", "bytes") else (*how, encoding), offset, depth
            )

    def _raw(self, raw: bytes, how: tuple[str, ...], offset: int, depth: int) -> Iterator[Nested]:
        kind = sniff(raw[:64], len(raw), "") if raw[:1] in b"PB\x1f\x78\xfd\x5d" else "unknown"
        if kind in _PACKED:
            yield from self._packed(lambda: _stream(raw), raw[:HEAD], len(raw), (*how, kind), offset, depth)
        elif _may_import(raw):
            starts = [0] if is_pickle(raw[:HEAD], len(raw)) else []
            if len(raw) <= _MOST_WHOLE:
                starts += [m.start() for m in _DECLARED.finditer(raw, 1)][:_MOST_STARTS]
            for start in starts:
                part = raw[start:]
                if start == 0 or is_pickle(part[:HEAD], len(part)):
                    yield from self._pickles(_stream(part), len(part), how, offset, depth)
        elif how and depth < self._limits.nested:  # one encoding inside another
            yield from self._value(raw, how, offset, depth + 1)

    def _packed(
        self,
        opener: Callable[[], BinaryIO],
        head: bytes,
        size: int,
        how: tuple[str, ...],
        offset: int,
        depth: int,
    ) -> Iterator[Nested]:
        if depth >= self._limits.nested:
            self.gave_up = f"more than {depth} encodings inside each other"
            return
        item = Item(name="data", kind=sniff(head, size, ""), size=size, opener=opener)
        limits = ScanLimits(
            members=1_000, items=2_000, depth=3, member_bytes=256 << 20, total_bytes=256 << 20, seconds=60
        )
        for found in unfold(item, head, Budget(limits)):
            if not isinstance(found, Item):
                # what only looked packed is none of our business; what is too large or too deep is
                self.gave_up = self.gave_up or (found.reason if "more than" in found.reason else "")
            elif found.kind == "pickle":
                with found.open() as stream:
                    yield from self._pickles(stream, found.size, how, offset, depth + 1)
            elif found.inside is not None and found.kind in ("text", "unknown") and found.size <= _MOST_WHOLE:
                yield from self._value(found.read(_MOST_WHOLE), how, offset, depth + 1)

    def _pickles(
        self, stream: BinaryIO, size: int, how: tuple[str, ...], offset: int, depth: int
    ) -> Iterator[Nested]:
        start = first_pickle(stream.read(HEAD))
        if start is None:
            return
        judgement = Judgement(start=start)
        for event in read_pickles(stream, start, size, most=min(self._limits.opcodes, 1_000_000)):
            if isinstance(event, Section):
                judgement = Judgement(start=event.start)
            elif isinstance(event, Data):
                if not isinstance(event.value, Blob) and depth < self._limits.nested:
                    yield from self._value(event.value, how, offset, depth + 1)
            elif not isinstance(event, Rest):
                take(judgement, event)
                if isinstance(event, Ended) and judgement.standing >= Standing.FOREIGN:
                    yield Nested(how, offset, judgement)


def _may_import(raw: bytes) -> bool:
    """Whether it is worth while to read bytes as a pickle; for long ones reading is quicker than searching."""
    return len(raw) > HEAD or _IMPORTS.search(raw) is not None


def _stream(raw: bytes) -> BinaryIO:
    return BytesIO(raw)


def _is_text(head: bytes) -> bool:
    return not re.search(rb"[^\t\n\r -~]", head)
