"""What was read of a data set once, shard by shard: batches in files, so that nothing is read or decoded twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import BadItem, Batch
from mithridate.core.errors import SourceError
from mithridate.core.sound import Sound
from mithridate.sources.base import RowSource, take
from mithridate.sources.chat import Exchange

__all__ = ["Spool", "write_spool"]

_SHAPE = b"shape"
_BAD = b"bad"


def write_spool(batches: Iterable[Batch], file: Any) -> int:
    """Write batches to a file, as Arrow's stream format.

    Args:
        batches: of one source, one at least; images are arrays (b, h, w, c) of one size.
        file: path, or an open binary file.

    Returns:
        Samples, unreadable items not counted.
    """
    import pyarrow as pa

    writer, count = None, 0
    try:
        for batch in batches:
            packed, facts = _packed(batch)
            writer = writer or pa.ipc.new_stream(file, packed.schema.with_metadata(facts))
            told = {_BAD: json.dumps([[b.id, b.reason] for b in batch.bad]).encode()}
            writer.write_batch(packed, custom_metadata=pa.KeyValueMetadata(told))
            count += len(batch)
    finally:
        if writer is not None:
            writer.close()
    return count


def _packed(batch: Batch) -> tuple[Any, dict[bytes, bytes]]:
    import pyarrow as pa

    raw, facts = _packed_raw(batch)
    columns = {
        "row": pa.array(batch.rows, pa.int64()),
        "id": _bytes([i.encode("utf-8", "surrogatepass") for i in batch.ids]),
        "raw": raw,
    }
    for name, values in (("label", batch.labels), ("source", batch.sources)):
        if values is not None:
            columns[name] = _bytes(
                [None if v is None else v.encode("utf-8", "surrogatepass") for v in values]
            )
    if batch.metadata is not None:
        columns["metadata"] = pa.array([json.dumps(dict(m)) for m in batch.metadata], pa.large_string())
    for name, array in batch.evidence.items():
        columns[f"evidence:{name}"] = pa.array(array)
    return pa.RecordBatch.from_pydict(columns), facts


def _packed_raw(batch: Batch) -> tuple[Any, dict[bytes, bytes]]:
    import pyarrow as pa

    if batch.modality == "image":
        shape = (
            batch.raw.shape[1:] if len(batch) else (1, 1, 1)
        )  # in a source without any image that can be read
        values = pa.py_buffer(np.ascontiguousarray(batch.raw, dtype=np.uint8))
        kind = pa.binary(int(np.prod(shape)))
        return pa.Array.from_buffers(kind, len(batch), [None, values]), {_SHAPE: json.dumps(shape).encode()}
    if batch.modality == "text":
        return _bytes([text.encode("utf-8", "surrogatepass") for text in batch.raw]), {}
    if batch.modality == "table":
        return batch.raw.combine_chunks().to_struct_array().combine_chunks(), {}
    if batch.modality == "chat":
        return _bytes([json.dumps([e.prompt, e.response, e.rejected]).encode() for e in batch.raw]), {}
    sounds = [
        {"bytes": s.samples.tobytes(), "channels": s.samples.shape[1], "rate": s.rate} for s in batch.raw
    ]
    kind = pa.struct([("bytes", pa.large_binary()), ("channels", pa.int32()), ("rate", pa.int32())])
    return pa.array(sounds, kind), {}


def _bytes(values: list[bytes | None]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.large_binary())


class Spool(RowSource):
    """A source whose batches come from files that `write_spool` wrote; single samples come from the source itself.

    Args:
        source: that was read.
        files: what each file is called, and what opens it; of consecutive parts of the source, in order.
    """

    seekable = False

    def __init__(self, source: RowSource, files: Sequence[tuple[str, Callable[[], Any]]]) -> None:
        self._source, self._files = source, files
        self.uri, self.modality, self.count = source.uri, source.modality, source.count
        self.options, self.notes, self.limits = source.options, source.notes, source.limits
        self.origin = source.origin

    @property
    def digest(self) -> str:
        """Of the source."""
        return self._source.digest

    def iter_ids(self) -> Iterator[str]:
        """Those of the source."""
        return self._source.iter_ids()

    def fetch(self, ids: tuple[str, ...]) -> Batch:
        """Samples as they are in the source, not as they were prepared."""
        return self._source.fetch(ids)

    def _read(self, start: int, stop: int, size: int) -> Iterator[Batch]:
        for number, (name, file) in enumerate(self._files):
            low, high = (self.count * (number + k) // len(self._files) for k in (0, 1))
            if low < stop and high > start:
                for batch in self._whole(name, file, low, high):
                    inside = np.flatnonzero((batch.rows >= start) & (batch.rows < stop))
                    for at in range(0, max(len(inside), 1), size):
                        part = take(batch, inside[at : at + size])
                        yield part if at == 0 else replace(part, bad=())

    def _whole(self, name: str, file: Callable[[], Any], low: int, high: int) -> Iterator[Batch]:
        """The batches of a file that holds rows low..high-1, all of them and no others.

        Raises:
            SourceError: it does not; a disk or a copy may have damaged it.
        """
        import pyarrow as pa

        batches, left = self._of_file(file), high - low
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
                raise _damaged(name, str(error)) from error
            if batch is None:
                break
            left -= len(batch) + len(batch.bad)
            if not ((batch.rows >= low) & (batch.rows < high)).all():
                raise _damaged(name, "rows of another shard")
            yield batch
        if left:
            raise _damaged(name, f"{high - low - left:,} of {high - low:,} rows")

    def _of_file(self, file: Callable[[], Any]) -> Iterator[Batch]:
        import pyarrow as pa

        with file() as opened, pa.ipc.open_stream(opened) as reader:
            facts = reader.schema.metadata or {}
            for packed, told in reader.iter_batches_with_custom_metadata():
                packed.validate(full=True)  # offsets are followed
                yield self._unpacked(packed, facts, json.loads(told[_BAD]))

    def _unpacked(self, packed: Any, facts: Mapping[bytes, bytes], bad: list[list[str]]) -> Batch:
        named = dict(zip(packed.schema.names, packed.columns, strict=True))
        texts = {
            name: tuple(None if v is None else v.decode("utf-8", "surrogatepass") for v in named[name].to_pylist())
            for name in ("id", "label", "source")
            if name in named
        }  # fmt: skip
        metadata = named["metadata"].to_pylist() if "metadata" in named else None
        return Batch(
            ids=tuple(i or "" for i in texts["id"]), rows=named["row"].to_numpy().astype(np.int64),
            modality=self.modality, raw=self._raw(named["raw"], facts), labels=texts.get("label"),
            sources=tuple(s or "" for s in texts["source"]) if "source" in texts else None,
            bad=tuple(BadItem(id=i, reason=reason) for i, reason in bad),
            metadata=None if metadata is None else tuple(json.loads(m) for m in metadata),
            evidence={
                name.removeprefix("evidence:"): column.to_numpy(zero_copy_only=False)
                for name, column in named.items()
                if name.startswith("evidence:")
            },
        )  # fmt: skip

    def _raw(self, column: Any, facts: Mapping[bytes, bytes]) -> Any:
        import pyarrow as pa

        if self.modality == "image":
            shape = json.loads(facts[_SHAPE])
            values = np.frombuffer(column.buffers()[1], dtype=np.uint8)
            width = int(np.prod(shape))
            return values[column.offset * width : (column.offset + len(column)) * width].reshape(-1, *shape)
        if self.modality == "text":
            return [v.decode("utf-8", "surrogatepass") for v in column.to_pylist()]
        if self.modality == "table":
            return pa.Table.from_struct_array(column)
        if self.modality == "chat":
            told = (json.loads(v) for v in column.to_pylist())
            return [Exchange(prompt=p, response=r, rejected=other) for p, r, other in told]
        return [
            Sound(samples=_samples(s["bytes"], s["channels"]), rate=s["rate"]) for s in column.to_pylist()
        ]


def _samples(data: bytes, channels: int) -> NDArray[np.float32]:
    return np.frombuffer(data, dtype=np.float32).reshape(-1, channels)


def _damaged(name: str, got: str) -> SourceError:
    remedy = "Remove this file, and read the shard again."
    return SourceError("a shard as it was written", got[:300], name, remedy)
