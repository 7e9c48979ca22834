"""An exported program (.pt2) taken apart: its graph as JSON, its weights where they lie. Nothing is unpickled.

Reference:
    PyTorch, `torch/_export/serde/schema.py` and `torch/export/pt2_archive/constants.py` (BSD-3-Clause).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.files.state_dict import state_dict
from mithridate.models.files.torch_archive import Archive
from mithridate.models.files.torch_tensors import Storage, StoredTensor
from mithridate.models.graph.ir import Constant

__all__ = ["Pt2File", "scalar_type"]

_JSON: Final = 512 << 20
_OLD_MODEL: Final = "serialized_exported_program.json"  # torch before 2.8
_OLD_TENSORS: Final = ("serialized_state_dict.pt", "serialized_state_dict.json", "serialized_constants.pt")
#: torch's numbers of types in exported programs (`schema.ScalarType`) → its names.
_KINDS: Final = {
    1: "byte", 2: "char", 3: "short", 4: "int", 5: "long", 6: "half", 7: "float", 8: "double", 10: "complexfloat",
    11: "complexdouble", 12: "bool", 13: "bfloat16", 28: "uint16",
}  # fmt: skip


def scalar_type(number: int) -> int:
    """The number that torch's operators know a type by, from the one in an exported program."""
    return 15 if number == 13 else number - 1


class Pt2File:
    """An exported program.

    Args:
        item: the file.
        model: name of the program, where there are several; None takes "model", or the first.

    Attributes:
        program: what its JSON says.
        models: names of all programs in the file.

    Raises:
        ItemError: it is none.
    """

    def __init__(self, item: Item, model: str | None = None) -> None:
        self.name, self.archive = item.name, Archive(item)
        records = self.archive.under("models/")
        self.models = tuple(name.removesuffix(".json") for name in records if name.endswith(".json"))
        if _OLD_MODEL in self.archive:
            self._model, record = "", _OLD_MODEL
        elif self.models:
            self._model = model or ("model" if "model" in self.models else self.models[0])
            record = f"models/{self._model}.json"
        else:
            raise ItemError(item.name, "no exported program: it holds no graph as JSON")
        self.program = self._json(record)

    def _json(self, record: str) -> dict[str, Any]:
        try:
            found = json.loads(self.archive.read(record, _JSON))
        except (ValueError, RecursionError) as error:
            raise ItemError(self.name, f"{record}: no JSON: {str(error)[:200]}") from error
        if not isinstance(found, dict):
            raise ItemError(self.name, f"{record}: no JSON object")
        return found

    def tensors(self) -> dict[str, Constant]:
        """Parameters, buffers and constants by name; values are read when asked for.

        Those that are pickled are listed, and asking for their values is an error.
        """
        if not self._model:
            return self._old()
        found: dict[str, Constant] = {}
        for folder in ("weights", "constants"):
            record = f"data/{folder}/{self._model}_{folder}_config.json"
            config = self._json(record).get("config") if record in self.archive else None
            for name, entry in (config or {}).items():
                if isinstance(entry, dict) and isinstance(entry.get("tensor_meta"), dict):
                    found[name] = self._tensor(f"data/{folder}/{entry.get('path_name')}", entry)
        return found

    def _tensor(self, record: str, entry: Mapping[str, Any]) -> Constant:
        meta = entry["tensor_meta"]
        kind = _KINDS.get(meta.get("dtype"))
        if kind is None:
            raise ItemError(self.name, f"{record}: a tensor of unknown type {meta.get('dtype')!r}")
        shape, strides = _sizes(meta.get("sizes"), self.name), _sizes(meta.get("strides"), self.name)
        if entry.get("use_pickle", False):
            return Constant(shape=shape, dtype=StoredTensor.dtype_of(kind), load=self._refusal(record))
        size = self.archive.size(record)
        storage = Storage(
            key=record, kind="untyped", size=size, byteorder=self.archive.byteorder, name=self.name,
            piece=lambda start, count: self.archive.piece(record, start, count),
        )  # fmt: skip
        offset = meta.get("storage_offset", {}).get("as_int", 0)
        if len(shape) != len(strides) or not isinstance(offset, int) or offset < 0:
            raise ItemError(self.name, f"{record}: a tensor that contradicts itself")
        stored = StoredTensor(
            shape=shape, strides=strides, offset=offset, kind=kind, storage=storage
        ).checked()
        return Constant(shape=shape, dtype=stored.dtype, load=stored.array)

    def _refusal(self, record: str) -> Callable[[], Any]:
        def load() -> Any:
            raise ItemError(self.name, f"{record}: its values are pickled and not read")

        return load

    def _old(self) -> dict[str, Constant]:
        found: dict[str, Constant] = {}
        for record in _OLD_TENSORS:
            if record not in self.archive:
                continue
            content = self.archive.read(record, 4 << 30)
            if not content:
                continue
            inner = Item(
                name=f"{self.name}!{record}", kind="torch", size=len(content), opener=_opener(content)
            )
            try:
                tensors = state_dict(inner)
            except ItemError:  # nothing in it
                continue
            found |= {n: Constant(shape=t.shape, dtype=t.dtype, load=t.array) for n, t in tensors.items()}
        return found


def _opener(content: bytes) -> Callable[[], BytesIO]:
    return lambda: BytesIO(content)


def _sizes(values: Any, name: str) -> tuple[int, ...]:
    sizes: list[Any] = [value.get("as_int") if isinstance(value, dict) else value for value in values or ()]
    if not all(isinstance(size, int) and 0 <= size < 1 << 48 for size in sizes):
        raise ItemError(name, "a weight whose shape is no shape")
    return tuple(sizes)
