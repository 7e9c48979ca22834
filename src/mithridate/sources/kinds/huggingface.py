"""Objects of Hugging Face's `datasets` in memory; read through their Arrow table, without importing the package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from mithridate.core.errors import SourceError
from mithridate.sources.arrow_files import choose_split
from mithridate.sources.base import MEMORY, RowSource
from mithridate.sources.digest import table_digest
from mithridate.sources.frames import Chunk, MemoryFrame
from mithridate.sources.kinds.kind import CHAT, Ask, Kind
from mithridate.sources.kinds.rows import open_rows

__all__ = ["KIND"]

_ROWS = 4096


class _Dataset(MemoryFrame):
    """A `FrameFile` over a `datasets.Dataset`: rows are taken from its table as they are needed.

    Args:
        data: the data set; `select`, `shuffle` and the like leave its table and give it indices.
    """

    def __init__(self, data: Any) -> None:
        import pyarrow as pa

        super().__init__(data.data.table.select(list(data.column_names)))
        indices = getattr(data, "_indices", None)
        self._order = None if indices is None else pa.chunked_array(indices.column(0)).combine_chunks()
        if self._order is not None:
            self.count = len(self._order)
        self.features = {
            name: {"names": list(feature.names)}
            for name, feature in data.features.items()
            if getattr(feature, "names", None)
        }

    def digest(self) -> str:
        """Digest of schema, values and order."""
        import pyarrow as pa

        if self._order is None:
            return super().digest()
        parts = table_digest(self.table), table_digest(pa.table({"order": self._order}))
        return blake2b(":".join(parts).encode(), digest_size=32).hexdigest()

    def chunks(self, columns: Sequence[str], start: int, stop: int) -> Iterator[Chunk]:
        """See `FrameFile`."""
        if self._order is None:
            yield from super().chunks(columns, start, stop)
            return
        chosen = self.table.select(list(columns))
        for low in range(start, stop, _ROWS):
            order = self._order.slice(low, min(_ROWS, stop - low))
            yield Chunk(rows=np.arange(low, low + len(order)), table=chosen.take(order))


def _open(data: Any, ask: Ask) -> RowSource:
    kinds = {kind.__name__ for kind in type(data).__mro__}
    if kinds & {"IterableDataset", "IterableDatasetDict"}:
        remedy = "It can be read only once, and an audit reads several times: write it with to_parquet, and give that."
        raise SourceError("a datasets.Dataset", f"an {type(data).__name__}", MEMORY, remedy)
    if "DatasetDict" in kinds:
        data = data[choose_split([str(s) for s in data], ask.split, MEMORY)]
    elif "Dataset" not in kinds:
        remedy = "Give a Dataset or a DatasetDict of it."
        raise SourceError("a datasets.Dataset", f"a {type(data).__name__}", MEMORY, remedy)
    return open_rows(_Dataset(data), ask, local=True)


KIND = Kind(
    noun="",
    open=_open,
    memory=lambda data, _: type(data).__module__.split(".")[0] == "datasets",
    takes=("label", "text", "id", "source", "x_key", "split", *CHAT),
)
