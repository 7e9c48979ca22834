"""JSONL, also compressed: one object per line, read line by line, so that a broken line harms no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.core.errors import SourceError
from mithridate.sources.frames import Chunk, text_array
from mithridate.sources.json_block import text_table
from mithridate.sources.limits import Limits

__all__ = ["JsonLines"]

_BLOCK = 4 << 20
_BOM = b"\xef\xbb\xbf"
_PEEK = 1000
_BLANKS = " \t\r\n"
_DECODE = json.JSONDecoder().raw_decode


class JsonLines:
    """A `FrameFile` over lines of JSON objects. Empty lines are no rows; nested values become JSON text.

    Opening reads the bytes once (lines, digest, an index of offsets) and parses the first lines for columns;
    the whole file is parsed only when all columns are asked for, to find types that hold everywhere.

    Args:
        path: .jsonl or .ndjson, also with .gz after it.
        columns: the columns that will be read, as text; None for all columns, typed.
        limits: most bytes of a line.

    Raises:
        SourceError: not readable, or none of the lines is a JSON object.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None, limits: Limits) -> None:
        self.path, self.uri, self._limits = path, str(path), limits
        self.seekable = path.suffix.lower() in (".jsonl", ".ndjson")
        self.count = 0
        self._index: list[tuple[int, int]] = []  # (byte offset, row) where a block starts
        self._digest = ""
        try:
            self._survey()
            self.types = self._peeked(columns) if columns is not None else self._typed()
        except (OSError, EOFError) as error:
            raise SourceError("a readable JSONL file", str(error), self.uri, "Is it complete?") from error
        if not self.types:
            raise SourceError("one JSON object per line", "no line that is one", self.uri, "Is this JSONL?")

    def infer(self) -> None:
        """Parse the whole file to give all columns types that hold everywhere."""
        try:
            self.types = self._typed()
        except (OSError, EOFError) as error:
            raise SourceError("a readable JSONL file", str(error), self.uri, "Is it complete?") from error

    def digest(self) -> str:
        """Digest of the bytes (before compression)."""
        return self._digest

    def chunks(self, columns: Sequence[str], start: int, stop: int) -> Iterator[Chunk]:
        """See `FrameFile`."""
        import pyarrow as pa

        makers = {name: _maker(self.types[name]) for name in columns}
        for row, lines in self._blocks(start, stop):
            quick = self._read_at_once(columns, lines[max(start - row, 0) : stop - row])
            if quick is not None:
                yield Chunk(rows=np.arange(len(quick)) + max(start, row), table=quick)
                continue
            rows, objects, bad = self._parsed(row, lines, start, stop)
            table = pa.table({name: make([o.get(name) for o in objects]) for name, make in makers.items()})
            yield Chunk(rows=rows, table=table, bad=tuple(bad))

    def lines(self) -> Iterator[bytes]:
        """Yield every row as it stands in the file, without its line end."""
        for _, lines in self._blocks(0, self.count):
            yield from lines

    def parse(self, line: bytes) -> dict[str, Any]:
        """One line as an object.

        Raises:
            ValueError: it is none; the text says why.
        """
        if len(line) > self._limits.item_bytes:
            raise ValueError(f"longer than the limit of {self._limits.item_bytes:,} bytes")
        try:
            parsed = _loaded(line.decode("utf-8"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise ValueError(f"expected a JSON object, got {type(parsed).__name__}")
        return parsed

    def _read_at_once(self, columns: Sequence[str], lines: list[bytes]) -> Any:
        """A table of text columns; None where lines must be read one by one."""
        import pyarrow as pa

        if not lines or not all(pa.types.is_large_string(self.types[name]) for name in columns):
            return None
        if max(map(len, lines)) > self._limits.item_bytes:
            return None
        try:
            return text_table(lines, columns, self.parse(lines[0]))
        except ValueError:
            return None

    def _parsed(
        self, row: int, lines: list[bytes], start: int, stop: int
    ) -> tuple[Any, list[dict[str, Any]], list[tuple[int, str]]]:
        rows, objects, bad = [], [], []
        for at in range(max(start - row, 0), min(stop - row, len(lines))):
            try:
                objects.append(self.parse(lines[at]))
                rows.append(row + at)
            except ValueError as error:
                bad.append((row + at, str(error)))
        return np.array(rows, dtype=np.int64), objects, bad

    def _open(self) -> Any:
        import pyarrow as pa

        return pa.input_stream(str(self.path), compression="detect", buffer_size=1 << 20)

    def _survey(self) -> None:
        state, offset = blake2b(digest_size=32), 0
        for offset, lines, raw in self._raw_blocks(0):
            self._index.append((offset, self.count))
            self.count += len(lines)
            state.update(raw)
        self._digest = state.hexdigest()

    def _blocks(self, start: int, stop: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield (row of the first line, lines) of the blocks that meet rows start..stop-1."""
        if not self._index or start >= stop:
            return
        at = int(np.searchsorted([row for _, row in self._index], start, side="right")) - 1
        offset, row = self._index[at]
        for _, lines, _ in self._raw_blocks(offset):
            yield row, lines
            row += len(lines)
            if row >= stop:
                return

    def _raw_blocks(self, offset: int) -> Iterator[tuple[int, list[bytes], bytes]]:
        """Yield (offset of the first line, lines without empty ones, the bytes read) from an offset on.

        A line over the limit is cut just behind it, so that memory stays bounded and `parse` refuses it.
        """
        most = self._limits.item_bytes
        with self._open() as stream:
            _skip(stream, offset)
            rest, begin = bytearray(), offset
            while True:
                raw = stream.read(_BLOCK)
                cut = raw.rfind(b"\n") + 1
                if raw and not cut:
                    # inside one long line: keep its beginning, count what is dropped
                    rest += raw[: max(0, most + 1 - len(rest))]
                    yield begin, [], raw
                    offset += len(raw)
                    continue
                block = bytes(rest) + raw[:cut] if raw else bytes(rest)
                lines = [line for line in block.split(b"\n") if line and line != b"\r"]
                if lines and begin == 0:
                    lines[0] = lines[0].removeprefix(_BOM)
                yield begin, lines, raw
                if not raw:
                    return
                offset += len(raw)
                rest, begin = bytearray(raw[cut:]), offset - (len(raw) - cut)

    def _peeked(self, columns: Sequence[str]) -> Mapping[str, Any]:
        """All columns as text; reads on until the wanted ones have been seen."""
        import pyarrow as pa

        seen: dict[str, None] = {}
        for row, lines in self._blocks(0, self.count):
            for at, line in enumerate(lines):
                if row + at >= _PEEK and all(c in seen for c in columns):
                    return {name: pa.large_string() for name in seen}
                try:
                    seen.update(dict.fromkeys(self.parse(line)))
                except ValueError:
                    continue
        return {name: pa.large_string() for name in seen}

    def _typed(self) -> Mapping[str, Any]:
        """A type for each column that holds in the whole file."""
        found: dict[str, set[type]] = {}
        for _, lines in self._blocks(0, self.count):
            for line in lines:
                try:
                    parsed = self.parse(line)
                except ValueError:
                    continue
                for name, value in parsed.items():
                    found.setdefault(name, set()).add(_kind(value))
        return {name: _arrow_type(kinds - {type(None)}) for name, kinds in found.items()}


def _loaded(text: str) -> Any:
    """As `json.loads`, which spends half of its time on what surrounds a short line."""
    bare = text.strip(_BLANKS)
    try:
        parsed, end = _DECODE(bare)
    except ValueError:
        end = -1
    return parsed if end == len(bare) else json.loads(text)


def _skip(stream: Any, offset: int) -> None:
    if offset and stream.seekable():
        stream.seek(offset)
        return
    while offset > 0:
        offset -= len(stream.read(min(offset, _BLOCK)))


def _kind(value: Any) -> type:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float if abs(value) < 2**1023 else str  # what no int64 holds, a float may
    return type(value)


def _arrow_type(kinds: set[type]) -> Any:
    import pyarrow as pa

    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds <= {int, float}:
        return pa.float64()
    return pa.large_string()


def _maker(kind: Any) -> Callable[[list[Any]], Any]:
    """How to make an Arrow array of this type from JSON values."""
    import pyarrow as pa

    if pa.types.is_large_string(kind):
        return lambda values: text_array(
            [v if v is None or isinstance(v, str) else _plain(v) for v in values]
        )
    if pa.types.is_floating(kind):
        return lambda values: pa.array([None if v is None else float(v) for v in values], type=kind)
    return lambda values: pa.array(values, type=kind)


def _plain(value: Any) -> str:
    """A JSON value as text; labels as `labels.label_text` writes them."""
    if type(value) is int:  # by far the most common label that is no text
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
