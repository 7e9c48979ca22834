"""First pass over a table: every column becomes codes in a file, one per distinct value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.evidence.roll import Names, Roll
from mithridate.evidence.store import DiskArray, DiskWriter

__all__ = ["Column", "read_columns"]

_BATCH = 8192
_UNIQUE = 0.9  # share of distinct values from which a column of words names the row rather than describes it


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: as in the source.
        codes: (n,) int32 on disk: which distinct value each row has, -1 where it is missing.
        counts: (d,) rows with each distinct value.
        numbers: (d,) the distinct values in ascending order, or None for a column of words.
        texts: the distinct values of a column of words.
        missing: rows without a value.
        identifier: True if it names rows, so that nothing in it can recur.
        opaque: True if its cells are bytes, lists or records, which names of rows are not.
    """

    name: str
    codes: DiskArray
    counts: NDArray[np.int64]
    numbers: DiskArray | None
    texts: tuple[str, ...]
    missing: int
    identifier: bool
    opaque: bool = False

    @property
    def prose(self) -> bool:
        """Whether a column of words holds free text: four words a cell or more, on average."""
        first = self.texts[:1000]
        return sum(len(text.split()) for text in first) >= 4 * max(len(first), 1)

    def text(self, code: int) -> str:
        """The distinct value as a person would write it."""
        if code < 0:
            return ""
        if self.numbers is None:
            return self.texts[code]
        number = float(self.numbers[code : code + 1][0])
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


class _NumberReader:
    def __init__(self, name: str, whole: bool, stem: Path) -> None:
        self._name, self._whole, self._stem = name, whole, stem
        self._values = DiskWriter(stem.with_suffix(".values"), np.float64)

    def add(self, column: Any) -> None:
        import pyarrow as pa

        if pa.types.is_temporal(column.type):
            column = column.cast(pa.int64()) if column.type.bit_width == 64 else column.cast(pa.int32())
        values = column.cast(pa.float64(), safe=False)
        self._values.append(
            values.to_numpy() if values.null_count == 0 else values.fill_null(np.nan).to_numpy()
        )

    def close(self) -> Column:
        """Sort out the distinct values; needs a few times the column in memory."""
        stored = self._values.close()
        values = stored[:]
        known = ~np.isnan(values)
        distinct, inverse, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        codes = np.full(len(values), -1, dtype=np.int32)
        codes[known] = inverse
        writer = DiskWriter(self._stem.with_suffix(".codes"), np.int32)
        writer.append(codes)
        numbers = DiskWriter(self._stem.with_suffix(".numbers"), np.float64)
        numbers.append(distinct)
        stored.path.unlink()
        return Column(
            name=self._name,
            codes=writer.close(),
            counts=counts.astype(np.int64),
            numbers=numbers.close(),
            texts=(),
            missing=int((~known).sum()),
            identifier=self._whole and len(distinct) == known.sum() >= 20,
        )


class _WordReader:
    def __init__(self, name: str, opaque: bool, stem: Path) -> None:
        self._name, self._opaque, self._names = name, opaque, Names()
        self._codes = DiskWriter(stem.with_suffix(".codes"), np.int32)
        self._counts = np.zeros(0, dtype=np.int64)
        self._missing = 0

    def add(self, column: Any) -> None:
        import pyarrow as pa

        encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if not pa.types.is_dictionary(encoded.type):
            if pa.types.is_nested(encoded.type):
                encoded = pa.array([None if v is None else str(v) for v in encoded.to_pylist()], pa.string())
            encoded = encoded.dictionary_encode()
        texts = _texts(encoded.dictionary)
        table = np.append(self._names.codes(tuple(t if t else None for t in texts)), np.int32(-1))
        codes = table[encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)]
        self._missing += int((codes < 0).sum())
        found = np.bincount(codes[codes >= 0], minlength=len(self._counts)).astype(np.int64)
        found[: len(self._counts)] += self._counts
        self._counts = found
        self._codes.append(codes)

    def close(self) -> Column:
        known = int(self._counts.sum())
        texts = self._names.listed()
        return Column(
            name=self._name,
            codes=self._codes.close(),
            counts=np.pad(self._counts, (0, len(texts) - len(self._counts))),
            numbers=None,
            texts=texts,
            missing=self._missing,
            identifier=len(texts) >= _UNIQUE * known and known >= 20,
            opaque=self._opaque,
        )


def read_columns(
    source: Source, folder: Path, progress: Callable[[str, int, int | None], None]
) -> tuple[list[Column], Roll]:
    """Read the source once.

    Args:
        source: yields batches whose `raw` is a pyarrow.Table, all of one schema.
        folder: where the files go.
        progress: told (stage, samples done, samples or None).
    """
    readers: list[_NumberReader | _WordReader] = []
    roll = Roll()
    for batch in source.batches(_BATCH):
        roll.add(batch)
        if not readers:
            readers = [_reader(field, folder / f"column-{i}") for i, field in enumerate(batch.raw.schema)]
        for reader, column in zip(readers, batch.raw.columns, strict=True):
            reader.add(column)
        progress("reading", len(roll.ids), source.count)
    return [reader.close() for reader in readers], roll


def _reader(field: Any, stem: Path) -> _NumberReader | _WordReader:
    import pyarrow as pa

    kind = field.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _NumberReader(field.name, pa.types.is_integer(kind), stem)
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return _NumberReader(field.name, False, stem)
    held = kind.value_type if pa.types.is_dictionary(kind) else kind
    return _WordReader(field.name, pa.types.is_nested(held) or _is_bytes(held), stem)


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _texts(values: Any) -> list[str | None]:
    """Distinct values as text; bytes that are no UTF-8 keep their place as escapes."""
    import pyarrow as pa

    if not len(values):
        return []
    if _is_bytes(values.type):
        return [None if v is None else v.decode("utf-8", "backslashreplace") for v in values.to_pylist()]
    return list(values.cast(pa.string()).to_pylist())
