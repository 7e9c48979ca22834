"""The named tensors of a file that torch wrote, without torch and without unpickling."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.files.pickle_objects import Call, Limits, Persistent, mapping_of, read_pickle
from mithridate.models.files.torch_archive import Archive
from mithridate.models.files.torch_tensors import Storage, StoredTensor, storage_of, tensor_of

__all__ = ["archive_storages", "named_tensors", "state_dict"]

_MAGIC: Final = 0x1950A86A20F9469CFC6C  # first pickle of files written before torch 1.6
_PROTOCOL: Final = 1001
_DEEPEST: Final = 64  # modules within modules
_OBJECTS: Final = 2_000_000
#: attributes of an unpickled module that its names do not mention
_OWN: Final = frozenset({"_parameters", "_buffers", "_modules"})
_OTHERS: Final = ("optim", "ema", "sched", "scaler")

Storages: TypeAlias = Callable[[Any], Storage | None]


def state_dict(item: Item) -> Mapping[str, StoredTensor]:
    """The tensors of a checkpoint by name.

    A file may hold several groups of tensors (`{"state_dict": ..., "optimizer": ...}`); the largest that does not
    belong to an optimiser or a moving average is taken. Modules within modules are joined with ".".

    Args:
        item: a torch zip (also TorchScript), or a file of torch before 1.6.

    Returns:
        Name → tensor, in the order of the file.

    Raises:
        ItemError: no torch file, one that contradicts itself, or one without tensors.
    """
    with item.open() as stream:
        zipped = stream.read(2) == b"PK"
    root, storages = _zipped(item) if zipped else _legacy(item)
    groups = list(_groups(root, storages, item.name))
    if not groups:
        raise ItemError(item.name, "no tensors with names in it")
    ours = [g for g in groups if not any(word in part.lower() for part in g[0] for word in _OTHERS)] or groups
    return max(ours, key=lambda group: sum(tensor.size for tensor in group[1].values()))[1]


def archive_storages(archive: Archive, folder: str = "data/") -> Storages:
    """Finds the storages of a torch zip.

    Args:
        archive: the zip.
        folder: of the records: "data/", or "constants/" in TorchScript.
    """
    known: dict[tuple[str, str, int], Storage] = {}

    def place(key: Any, kind: str, size: int) -> Storage | None:
        if not isinstance(key, str):
            return None
        record = folder + key
        return known.setdefault(
            (key, kind, size),
            Storage(
                key=key, kind=kind, size=size, name=archive.item.name, byteorder=archive.byteorder,
                piece=lambda start, count: archive.piece(record, start, count),
            ),
        )  # fmt: skip

    return lambda thing: storage_of(thing, place)


def named_tensors(root: Any, storages: Storages, name: str) -> dict[str, StoredTensor]:
    """The tensors of a module, or of a dict, with those of all modules in it; names joined with ".".

    Args:
        root: what a pickle holds.
        storages: gives the storage for what names one.
        name: of the file, for messages.

    Raises:
        ItemError: nested too deep, or a tensor that contradicts itself.
    """
    found: dict[str, StoredTensor] = {}
    left: list[tuple[tuple[str, ...], Any]] = [((), root)]
    steps = 0
    while left:
        path, thing = left.pop()
        steps += 1
        if steps > _OBJECTS or len(path) > _DEEPEST:
            raise ItemError(name, f"modules nested more than {_DEEPEST} deep, or without end")
        tensor = tensor_of(thing, storages)
        if tensor is not None:
            found[".".join(path)] = tensor
            continue
        for key, child in reversed(list(_children(thing))):
            left.append((path if key in _OWN else (*path, key), child))
    return found


def _groups(
    root: Any, storages: Storages, name: str
) -> Iterator[tuple[tuple[str, ...], dict[str, StoredTensor]]]:
    """Where tensors lie together: the path in the file, and the tensors; a module is one group."""
    left: deque[tuple[tuple[str, ...], Any]] = deque([((), root)])
    seen: set[int] = set()
    while left:
        path, thing = left.popleft()
        if id(thing) in seen or len(path) > _DEEPEST:
            continue
        seen.add(id(thing))
        if len(seen) > _OBJECTS:
            raise ItemError(name, f"more than {_OBJECTS:,} objects")
        if mapping_of(thing) is None:
            group = named_tensors(thing, storages, name)
        else:
            parts = {key: tensor_of(child, storages) for key, child in _children(thing)}
            group = {key: tensor for key, tensor in parts.items() if tensor is not None}
            rest = ((key, child) for key, child in _children(thing) if key not in group)
            left.extend(((*path, key), child) for key, child in rest)
        if group:
            yield path, group


def _children(thing: Any) -> Iterator[tuple[str, Any]]:
    """What lies in a dict or a module by name."""
    mapping = mapping_of(thing)
    if mapping is None and isinstance(thing, Call):
        mapping = mapping_of(thing.state)
    for key, value in (mapping or {}).items():
        if isinstance(key, str | int) and isinstance(value, dict | Call):
            yield str(key), value


def _zipped(item: Item) -> tuple[Any, Storages]:
    archive = Archive(item)
    root = read_pickle(BytesIO(archive.read("data.pkl", _PICKLE)), f"{item.name}!data.pkl")
    return root, archive_storages(archive)


def _legacy(item: Item) -> tuple[Any, Storages]:
    """Files before torch 1.6: pickles of a number, a version, the system, the object and the keys, then storages."""
    with item.open() as stream:
        if (
            read_pickle(stream, item.name, _SMALL) != _MAGIC
            or read_pickle(stream, item.name, _SMALL) != _PROTOCOL
        ):
            raise ItemError(item.name, "no file of torch: its first pickle is not torch's magic number")
        system = read_pickle(stream, item.name, _SMALL)
        root = read_pickle(stream, item.name)
        keys = read_pickle(stream, item.name)
        little = not isinstance(system, dict) or bool(system.get("little_endian", True))
        places = _places(stream, keys, root, item)
    return root, _legacy_storages(item, places, "<" if little else ">")


def _places(stream: BinaryIO, keys: Any, root: Any, item: Item) -> dict[str, tuple[int, int]]:
    """Where each storage of an old file begins, and how many bytes follow there."""
    widths = dict(_named_widths(root))
    places: dict[str, tuple[int, int]] = {}
    at = stream.tell()
    for key in keys if isinstance(keys, list) else ():
        stream.seek(at)
        count = int.from_bytes(stream.read(8), "little")
        size = count * widths.get(key, 0) if isinstance(key, str) else 0
        if not size and count:
            raise ItemError(
                item.name, f"a storage {str(key)[:40]!r} that no tensor names: what follows has no place"
            )
        if at + 8 + size > item.size:
            raise ItemError(item.name, "breaks off within its storages")
        places[key] = (at + 8, size)
        at += 8 + size
    return places


def _named_widths(root: Any) -> Iterator[tuple[str, int]]:
    """Bytes of one number, for every storage that an object names."""
    left, seen = [root], set[int]()
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Persistent):
            storage = storage_of(thing, _unplaced)
            if storage is not None:
                yield storage.key, storage.width
        elif isinstance(thing, Call):
            left += [thing.arguments, thing.state, thing.items, thing.pairs]
        elif isinstance(thing, dict):
            left += thing.values()
        elif isinstance(thing, list | tuple):
            left += thing


def _unplaced(key: Any, kind: str, size: int) -> Storage | None:
    return (
        Storage(key=key, kind=kind, size=size, piece=lambda _start, _count: b"")
        if isinstance(key, str)
        else None
    )


def _legacy_storages(
    item: Item, places: Mapping[str, tuple[int, int]], byteorder: Literal["<", ">"]
) -> Storages:
    def piece(key: str, start: int, count: int) -> bytes:
        first, size = places.get(key, (0, 0))
        if start + count > size:
            raise ItemError(item.name, f"bytes {start:,} to {start + count:,} of a storage of {size:,}")
        with item.open() as stream:
            stream.seek(first + start)
            return stream.read(count)

    def place(key: Any, kind: str, size: int) -> Storage | None:
        if not isinstance(key, str):
            return None
        return Storage(
            key=key, kind=kind, size=size, name=item.name, byteorder=byteorder,
            piece=lambda start, count: piece(key, start, count),
        )  # fmt: skip

    return lambda thing: storage_of(thing, place)


_PICKLE: Final = 256 << 20
_SMALL: Final = Limits(size=1 << 16, opcodes=1000)
