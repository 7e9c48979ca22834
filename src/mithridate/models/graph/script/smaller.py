"""TorchScript without what its code does not use: attributes, classes, functions, constants, storages."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.files.pickle_objects import Call, Persistent, global_name, read_pickle
from mithridate.models.files.pickle_writer import write_pickle
from mithridate.models.files.torch_archive import Archive
from mithridate.models.files.torch_tensors import StoredTensor
from mithridate.models.files.torch_writer import copy_archive
from mithridate.models.graph.script.archive import Class, Function, Object, Script
from mithridate.models.graph.script.edit import Change, apply, without_attributes

__all__ = ["Smaller", "rewritten"]

_CONSTANT: Final = re.compile(r"\bCONSTANTS\.c(\d+)\b")
_PICKLE: Final = 256 << 20


def rewritten(
    item: Item,
    files: Mapping[str, str],
    records: Mapping[str, bytes] | None = None,
    dropped: Collection[str] = (),
) -> bytes:
    """A copy with other code and records; what torch keeps to find lines of code in goes with the lines.

    Args:
        item: the file.
        files: new text of files of code.
        records: new bytes of other records.
        dropped: records that the copy does not have.
    """
    target = BytesIO()
    replaced = {file: text.encode() for file, text in files.items()} | dict(records or {})
    gone = set(dropped) | {f"{file}.debug_pkl" for file in (*files, *dropped)}
    copy_archive(Archive(item), target, replaced=replaced, dropped=gone)
    return target.getvalue()


class Smaller:
    """A file without what its code does not use.

    Args:
        item: the file.
        edited: classes that may lose attributes.

    Attributes:
        removed: what the smaller file does not have, once `content` was asked for.
        left: what could not go.
    """

    def __init__(self, item: Item, edited: Collection[str]) -> None:
        self._item, self._edited, self._name = item, edited, item.name
        self._script = Script(item)
        self.removed: tuple[str, ...] = ()
        self.left: tuple[str, ...] = ()

    def content(self) -> bytes | None:
        """The bytes of the smaller file; None where nothing can go."""
        script = self._script
        drop = self._attributes()
        files, empty = self._code(drop)
        try:
            records, kept = self._records(drop, files, empty)
        except ItemError as error:  # the pickle holds what is not written: everything stays
            self.left = (*self._paths(drop), error.reason)
            return None
        storages = [name for name in script.archive if name.startswith(("data/", "constants/"))]
        dropped = {name for name in storages if name not in kept}
        self.removed = (*self._paths(drop), *sorted(dropped), *sorted(empty))
        return rewritten(self._item, files, records, empty | dropped)

    def _code(self, drop: Mapping[str, set[str]]) -> tuple[dict[str, str], set[str]]:
        """New text of files, and the files that are empty then."""
        changes: dict[str, list[Change]] = {}
        for kind, names in drop.items():
            found = self._script.find(kind)
            if isinstance(found, Class):
                changes.setdefault(found.file, []).extend(without_attributes(found, names))
        for thing in self._definitions(drop):
            tree = thing.tree
            changes.setdefault(thing.file, []).append(Change(tree.lineno, tree.end_lineno or tree.lineno, ""))
        files = {file: apply(self._script.text(file), _disjoint(found)) for file, found in changes.items()}
        empty = {file for file, text in files.items() if not text.strip()}
        return {file: text for file, text in files.items() if file not in empty}, empty

    def _attributes(self) -> dict[str, set[str]]:
        """For each edited class the attributes that no code names any more."""
        named = set(self._named())
        found: dict[str, set[str]] = {}
        for thing in _objects(self._script.root):
            if thing.kind in self._edited:
                unused = {
                    n
                    for n, v in thing.attributes.items()
                    if n not in named and isinstance(v, Object | StoredTensor)
                }
                found[thing.kind] = found.get(thing.kind, unused) & unused
        return {kind: names for kind, names in found.items() if names}

    def _named(self) -> Iterator[str]:
        """Names that code reads attributes by."""
        script = self._script
        for file in script.archive.under("code/").values():
            if not file.endswith(".py"):
                continue
            for node in ast.walk(script.tree(file)):
                if isinstance(node, ast.Attribute):
                    yield node.attr
                elif (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id == "getattr"
                ):
                    yield from (
                        a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                    )

    def _definitions(self, drop: Mapping[str, set[str]]) -> list[Class | Function]:
        """Classes and functions that nothing reaches once the attributes are gone."""
        script = self._script
        reached: set[str] = set()
        left = [script.root.kind, *(thing.kind for thing in _objects(script.root, drop))]
        while left:
            name = left.pop()
            if name in reached:
                continue
            found = script.find(name)
            if found is None:
                continue
            reached.add(name)
            gone = drop.get(name, set())
            parts = [node for node in found.tree.body if not _declares(node, gone)] if gone else [found.tree]
            for part in parts:
                left.extend(_mentioned(part))
        everything = {
            f"{file.removeprefix('code/').removesuffix('.py').replace('/', '.')}.{node.name}"
            for file in script.archive.under("code/").values()
            if file.endswith(".py")
            for node in script.tree(file).body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
        found_all = [script.find(name) for name in sorted(everything - reached)]
        return [found for found in found_all if found is not None]

    def _records(
        self, drop: Mapping[str, set[str]], files: Mapping[str, str], empty: Collection[str]
    ) -> tuple[dict[str, bytes], set[str]]:
        """New pickles, and the storages that they name."""
        script = self._script
        data = read_pickle(BytesIO(script.archive.read("data.pkl", _PICKLE)), self._name)
        for call in _calls(data):
            for name in drop.get(global_name(call), ()):
                if isinstance(call.state, dict):
                    call.state.pop(name, None)
        records = {"data.pkl": write_pickle(data, self._name)}
        kept = {f"data/{key}" for key in _keys(data)}
        if "constants.pkl" in script.archive:
            texts = [
                files.get(file, script.text(file))
                for file in script.archive.under("code/").values()
                if file.endswith(".py") and file not in empty
            ]
            used = {int(number) for text in texts for number in _CONSTANT.findall(text)}
            constants = read_pickle(BytesIO(script.archive.read("constants.pkl", _PICKLE)), self._name)
            if isinstance(constants, tuple):  # numbers in code must go on meaning the same constants
                constants = tuple(value if i in used else None for i, value in enumerate(constants))
                records["constants.pkl"] = write_pickle(constants, self._name)
            kept |= {f"constants/{key}" for key in _keys(constants)}
        return records, kept

    def _paths(self, drop: Mapping[str, set[str]]) -> list[str]:
        return [
            f"{thing.path}.{name}" if thing.path else name
            for thing in _objects(self._script.root)
            for name in sorted(drop.get(thing.kind, ()))
        ]


def _declares(node: ast.stmt, names: set[str]) -> bool:
    """Whether a statement of a class gives one of some attributes its type."""
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.target.id in names
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        key = node.targets[0].slice
        return isinstance(key, ast.Constant) and key.value in names
    return False


def _mentioned(tree: ast.AST) -> Iterator[str]:
    """Qualified names in code, and everything before their dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            if dotted.startswith("__torch__."):
                yield dotted


def _disjoint(changes: Sequence[Change]) -> list[Change]:
    """Without changes that lie within others."""
    return [
        change for change in changes
        if not any(o is not change and o.first <= change.first and change.last <= o.last for o in changes)
    ]  # fmt: skip


def _objects(root: Object, drop: Mapping[str, set[str]] | None = None) -> Iterator[Object]:
    """A module and all in it, without those that go."""
    seen: set[int] = set()
    left = [root]
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        gone = (drop or {}).get(thing.kind, set())
        left.extend(v for name, v in thing.attributes.items() if isinstance(v, Object) and name not in gone)


def _calls(root: Any) -> Iterator[Call]:
    yield from (thing for thing in _things(root) if isinstance(thing, Call))


def _keys(root: Any) -> Iterator[str]:
    """Names of the storages that a structure refers to."""
    for thing in _things(root):
        if isinstance(thing, Persistent) and isinstance(thing.id, tuple) and len(thing.id) > 2:
            yield str(thing.id[2])


def _things(root: Any) -> Iterator[Any]:
    seen: set[int] = set()
    left = [root]
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, Call):
            left += [thing.arguments, thing.state, thing.items, thing.pairs]
        elif isinstance(thing, dict):
            left += thing.values()
        elif isinstance(thing, list | tuple):
            left += thing
