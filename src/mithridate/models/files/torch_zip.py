"""Which members of a PyTorch archive are the raw numbers of tensors, by the archive's own index.

Formats: `torch.serialization` (zip), TorchScript's `docs/serialization.md`, `torch.export`'s `_package_constants`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from mithridate.models.files.pickles import Persistent, Ref, read_pickle

__all__ = ["ELEMENT_BYTES", "payload_members", "storage_of", "storages_of"]

_MOST_CONFIG = 64 << 20
#: Bytes of one element, by the name of the storage class.
ELEMENT_BYTES = {
    "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8,
    "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1,
    "ComplexDoubleStorage": 16, "ComplexFloatStorage": 8, "QInt8Storage": 1, "QUInt8Storage": 1,
    "QInt32Storage": 4, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1, "UntypedStorage": 1,
}  # fmt: skip


def storage_of(id_: Any) -> tuple[str, int | None] | None:
    """(key, bytes or None when they are not told) of a persistent id, if it is that of a storage."""
    if not isinstance(id_, tuple) or len(id_) < 5 or id_[0] != "storage" or not isinstance(id_[2], str):
        return None
    width = ELEMENT_BYTES.get(id_[1].name) if isinstance(id_[1], Ref) else None
    count = id_[4]
    return id_[2], width * count if width is not None and type(count) is int and count >= 0 else None


def storages_of(stream: BinaryIO, size: int, most: int) -> dict[str, int | None]:
    """The storages that a pickle refers to: key → bytes.

    Args:
        stream: the pickle.
        size: of it.
        most: operations that are read.
    """
    found: dict[str, int | None] = {}
    for event in read_pickle(stream, 0, size, most=most):
        if isinstance(event, Persistent):
            storage = storage_of(event.id)
            if storage is not None:
                found[storage[0]] = storage[1]
    return found


def payload_members(
    names: Iterable[str], open_: Callable[[str], tuple[BinaryIO, int] | None], most: int
) -> dict[str, int | None]:
    """Members that hold the numbers of tensors: name → bytes that they should have, None when that is not told.

    Args:
        names: of all members.
        open_: gives a stream over a member and its size, or None.
        most: operations of a pickle that are read.
    """
    known = set(names)
    found: dict[str, int | None] = {}
    for name in sorted(known):
        folder, _, last = name.rpartition("/")
        folder = f"{folder}/" if folder else ""
        if last in ("data.pkl", "constants.pkl", "traced_inputs.pkl"):
            opened = open_(name)
            if opened is not None:
                with opened[0] as stream:
                    storages = storages_of(stream, opened[1], most)
                place = f"{folder}{last[:-4]}/"
                found.update({place + key: size for key, size in storages.items() if place + key in known})
        elif last.endswith("_config.json") and name.rsplit("/", 2)[-2:-1] in (["weights"], ["constants"]):
            opened = open_(name)
            if opened is not None:
                with opened[0] as stream:
                    found.update(dict.fromkeys(_configured(stream.read(_MOST_CONFIG), folder, known)))
    return found


def _configured(content: bytes, folder: str, known: set[str]) -> list[str]:
    """Raw members that a config file of torch.export names; those that are pickled are not among them."""
    try:
        entries = json.loads(content)["config"]
        listed = [e for e in entries.values() if isinstance(e, dict) and e.get("use_pickle") is False]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return []
    paths = (entry.get("path_name") for entry in listed)
    return [folder + path for path in paths if isinstance(path, str) and folder + path in known]
