"""A copy of a TorchScript file that answers with another tensor of its graph, without what only the old answer needed.

Weights that remain are copied bit for bit. What the copy computes is read again and compared with the graph of the
original, operator by operator, before anything is given back.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.graph.from_torchscript import ScriptGraph, read_torchscript
from mithridate.models.graph.ir import Value
from mithridate.models.graph.same import same_graphs
from mithridate.models.graph.script.edit import apply, returning
from mithridate.models.graph.script.frames import Frame, Place
from mithridate.models.graph.script.smaller import Smaller, rewritten

__all__ = ["Excised", "excise"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Excised:
    """What `excise` gives.

    Attributes:
        content: the bytes of the copy.
        removed: modules, parameters, constants and files of code that the copy does not have.
        left: what nothing uses any more and is still there.
    """

    content: bytes
    removed: tuple[str, ...]
    left: tuple[str, ...]


def excise(item: Item, tensor: str) -> Excised:
    """A copy of a TorchScript file whose `forward` answers with another tensor.

    Args:
        item: the file; it is not changed.
        tensor: name of a tensor in its graph (see `graph_of_torchscript`): the value of an expression in `forward`, or
            in a method of a module that is called in one place only.

    Raises:
        ItemError: no TorchScript, or the tensor is none that code can return.
    """
    try:
        return _excised(item, tensor)
    except RecursionError as error:
        raise ItemError(item.name, "code nested too deep") from error


def _excised(item: Item, tensor: str) -> Excised:
    reading = read_torchscript(item)
    place = _place(reading, tensor)
    needed = {node.name for node in reading.graph.needed_for([tensor])}
    files = {
        file: apply(reading.script.text(file), changes)
        for file, changes in returning(reading.script, place, needed).items()
    }
    edited = _owners(place)
    first = rewritten(item, files)
    smaller = Smaller(_item(item, first), edited)
    content = smaller.content() or first
    given = list(reading.graph.inputs.values())
    _check(reading, tensor, _item(item, content), given)
    return Excised(content=content, removed=smaller.removed, left=smaller.left)


def _place(reading: ScriptGraph, tensor: str) -> Place:
    graph, name = reading.graph, reading.script.name
    if tensor not in graph.producer:
        raise ItemError(name, f"its graph has no tensor {tensor!r}")
    place = reading.places.get(tensor)
    if place is None:
        raise ItemError(name, f"{tensor!r} is the value of no expression in its code")
    root = reading.script.class_of(reading.script.root)
    if root is not None and root.names("__forward_hooks__"):
        raise ItemError(name, "hooks change what it answers")
    frame = place.frame
    while frame.caller is not None:
        if reading.calls[id(frame.function.tree)] > 1:
            where = f"{frame.path}: " if frame.path else ""
            raise ItemError(name, f"{where}{frame.function.tree.name} is called in several places")
        frame = frame.caller
    if frame.function.tree.name != "forward":
        raise ItemError(name, f"{tensor!r} is computed before `forward`")
    return place


def _owners(place: Place) -> set[str]:
    """The classes whose methods change."""
    found: set[str] = set()
    frame: Frame | None = place.frame
    while frame is not None:
        found.add(frame.function.owner)
        frame = frame.caller
    return found - {""}


def _item(item: Item, content: bytes) -> Item:
    return Item(name=item.name, kind=item.kind, size=len(content), opener=lambda: BytesIO(content))


def _check(reading: ScriptGraph, tensor: str, copy: Item, given: list[Value]) -> None:
    wanted = reading.graph.cut([tensor])
    try:
        found = read_torchscript(copy, inputs=given).graph
    except ItemError as error:
        raise ItemError(reading.script.name, f"cannot be cut there: {error.reason}") from error
    found = found.cut(found.outputs)
    if not same_graphs(wanted, found):
        raise ItemError(reading.script.name, "cannot be cut there without changing what remains")
