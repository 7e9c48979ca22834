"""A TorchScript file taken apart: its modules with their tensors, its constants, its classes and functions.

Reference:
    PyTorch, `torch/csrc/jit/docs/serialization.md` (BSD-3-Clause).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.files.pickle_objects import Call, global_name, mapping_of, read_pickle
from mithridate.models.files.state_dict import Storages, archive_storages
from mithridate.models.files.torch_archive import Archive
from mithridate.models.files.torch_tensors import StoredTensor, tensor_of
from mithridate.models.graph.aten.values import DEVICE

__all__ = ["Class", "Function", "Object", "Script", "Unread"]

_CODE: Final = 16 << 20  # bytes of one file of code
_PICKLE: Final = 256 << 20
_DEEPEST: Final = 64
_OBJECTS: Final = 1_000_000
_TYPED: Final = "torch.jit._pickle."


@dataclass(eq=False)
class Object:
    """A module, or an object of a class that came with the code.

    Attributes:
        kind: qualified name of its class.
        attributes: by name: numbers, text, lists, `StoredTensor`, `Object`.
        path: of the module, as people write it: "features.0".
    """

    kind: str
    attributes: dict[str, Any] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True)
class Unread:
    """A value whose kind is not read; using it is an error, holding it is none."""

    what: str


@dataclass(frozen=True, eq=False)
class Function:
    """A function or method in the code.

    Attributes:
        file: record that it stands in.
        tree: what the parser made of it.
        owner: qualified name of its class; "" for functions.
    """

    file: str
    tree: ast.FunctionDef
    owner: str = ""


@dataclass(frozen=True, eq=False)
class Class:
    """A class in the code.

    Attributes:
        file: record that it stands in.
        tree: what the parser made of it.
        methods: by name.
    """

    file: str
    tree: ast.ClassDef
    methods: Mapping[str, Function]

    @property
    def fields(self) -> list[str]:
        """Names that it gives a type, in order: the fields of a named tuple."""
        found = [node for node in self.tree.body if isinstance(node, ast.AnnAssign)]
        return [node.target.id for node in found if isinstance(node.target, ast.Name)]

    def names(self, attribute: str) -> tuple[str, ...]:
        """A list of text that the class holds, such as `__parameters__`."""
        for node in self.tree.body:
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.List):
                continue
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id == attribute:
                values = [e.value for e in node.value.elts if isinstance(e, ast.Constant)]
                return tuple(value for value in values if isinstance(value, str))
        return ()


class Script:
    """A TorchScript file.

    Args:
        item: the file.

    Raises:
        ItemError: it is none, or contradicts itself.
    """

    def __init__(self, item: Item) -> None:
        self.archive, self.name = Archive(item), item.name
        self._files: dict[str, ast.Module] = {}
        self._text: dict[str, str] = {}
        self.pickled = self._pickle("data.pkl")
        self.root = self._module()
        self.constants = self._constants()

    def _pickle(self, record: str) -> Any:
        return read_pickle(BytesIO(self.archive.read(record, _PICKLE)), f"{self.name}!{record}")

    def _module(self) -> Object:
        root = _Values(archive_storages(self.archive), self.name).plain(self.pickled, "", 0)
        if not isinstance(root, Object) or not root.kind.startswith("__torch__."):
            raise ItemError(self.name, "no TorchScript: data.pkl holds no module")
        return root

    def _constants(self) -> tuple[Any, ...]:
        if "constants.pkl" not in self.archive:
            return ()
        values = _Values(archive_storages(self.archive, "constants/"), self.name)
        found = values.plain(self._pickle("constants.pkl"), "", 0)
        return tuple(found) if isinstance(found, list | tuple) else ()

    def text(self, file: str) -> str:
        """The text of a file of code."""
        if file not in self._text:
            content = self.archive.read(file, _CODE)
            self._text[file] = content.decode("utf-8", "replace")
        return self._text[file]

    def tree(self, file: str) -> ast.Module:
        """What the parser makes of a file of code; nothing is compiled or run."""
        if file not in self._files:
            try:
                self._files[file] = ast.parse(self.text(file))
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                raise ItemError(self.name, f"{file}: code that cannot be read: {str(error)[:200]}") from error
        return self._files[file]

    def find(self, name: str) -> Class | Function | None:
        """What stands in the code under a qualified name, e.g. "__torch__.torch.nn.functional.relu"."""
        module, _, own = name.rpartition(".")
        file = f"code/{module.replace('.', '/')}.py"
        if not module or file not in self.archive:
            return None
        for node in self.tree(file).body:
            if isinstance(node, ast.FunctionDef) and node.name == own:
                return Function(file, node)
            if isinstance(node, ast.ClassDef) and node.name == own:
                methods = {
                    m.name: Function(file, m, name) for m in node.body if isinstance(m, ast.FunctionDef)
                }
                return Class(file, node, methods)
        return None

    def class_of(self, thing: Object) -> Class | None:
        """The class of an object."""
        found = self.find(thing.kind)
        return found if isinstance(found, Class) else None

    def traced_inputs(self, method: str = "forward") -> list[StoredTensor | None] | None:
        """What the tensors looked like that a method was traced with; None where the file does not say."""
        if "traced_inputs.pkl" not in self.archive:
            return None
        values = _Values(archive_storages(self.archive, "traced_inputs/"), self.name)
        try:
            found = values.plain(self._pickle("traced_inputs.pkl"), "", 0)
        except ItemError:
            return None
        inputs = found.get(method) if isinstance(found, dict) else None
        if not isinstance(inputs, list | tuple):
            return None
        return [value if isinstance(value, StoredTensor) else None for value in inputs]


class _Values:
    """What a pickle of TorchScript holds, as values."""

    def __init__(self, storages: Storages, name: str) -> None:
        self._storages, self._name = storages, name
        self._known: dict[int, Any] = {}
        self._count = 0

    def plain(self, thing: Any, path: str, depth: int) -> Any:
        self._count += 1
        if depth > _DEEPEST or self._count > _OBJECTS:
            raise ItemError(self._name, f"modules nested more than {_DEEPEST} deep, or without end")
        if id(thing) in self._known:
            return self._known[id(thing)]
        if isinstance(thing, Call):
            return self._made(thing, path, depth)
        mapping = mapping_of(thing)
        if mapping is not None:
            found: Any = {key: self.plain(value, path, depth + 1) for key, value in mapping.items()}
        elif isinstance(thing, list | tuple):
            found = type(thing)(self.plain(value, path, depth + 1) for value in thing)
        elif thing is None or isinstance(thing, bool | int | float | str | complex):
            return thing
        else:
            return Unread(type(thing).__name__)
        self._known[id(thing)] = found
        return found

    def _made(self, call: Call, path: str, depth: int) -> Any:
        tensor = tensor_of(call, self._storages)
        if tensor is not None:
            self._known[id(call)] = tensor
            return tensor
        name = global_name(call)
        if name.startswith("__torch__."):
            made = Object(name, path=path)
            self._known[id(call)] = made
            state = call.state if isinstance(call.state, dict) else {}
            if not state and call.state is not None:  # a class with a state of its own (`__getstate__`)
                made.attributes["__state__"] = self.plain(call.state, path, depth + 1)
            for key, value in state.items():
                made.attributes[str(key)] = self.plain(
                    value, f"{path}.{key}" if path else str(key), depth + 1
                )
            return made
        if name.startswith(_TYPED) and call.arguments:
            return self.plain(call.arguments[0], path, depth + 1)
        mapping = mapping_of(call)
        if mapping is not None:
            return {key: self.plain(value, path, depth + 1) for key, value in mapping.items()}
        if name in ("torch.device", "torch._C.device"):
            return DEVICE
        return Unread(name or type(call.function).__name__)
