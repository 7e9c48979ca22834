"""Follows the code of TorchScript with names of tensors in place of tensors, and builds the graph of what it does.

Sizes, flags and lists are computed, calls of modules and functions are followed, loops over numbers are unrolled; what
depends on the values of tensors becomes an If, or a node "aten::Loop". Nothing of the file is run.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mithridate.core.errors import ItemError
from mithridate.models.files.torch_tensors import StoredTensor
from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.table import translated
from mithridate.models.graph.aten.values import DEVICE, Size, Tensor, UncoveredError
from mithridate.models.graph.ir import Constant
from mithridate.models.graph.script import branches
from mithridate.models.graph.script.archive import Class, Function, Object, Script, Unread
from mithridate.models.graph.script.frames import Frame, Place, Step
from mithridate.models.graph.script.host import MISSING, about_tensors, plainly

__all__ = ["NOTHING_YET", "Reader"]

_DEEPEST: Final = 64  # calls within calls
_STATEMENTS: Final = 100_000
_NESTED: Final = 200  # expressions within expressions
#: a variable that code declares and fills in later, on the ways that use it.
NOTHING_YET: Final = Unread("a variable without a value")
_NUMBERS: Final = {"inf": float("inf"), "nan": float("nan"), "True": True, "False": False, "None": None}
_SPACES: Final = ("torch", "ops")


class Reader:
    """The reader of one file.

    Args:
        script: the file.
        builder: of the graph.
    """

    def __init__(self, script: Script, builder: Builder) -> None:
        self.script, self.b = script, builder
        self.places: dict[str, Place] = {}
        self.calls: dict[int, int] = {}  # id of a function's tree → how often it was called
        self._held: dict[int, Tensor] = {}
        self._constants: dict[int, Any] = {}
        self._statements = self._nested = 0

    # --------------------------------------------------------------- functions

    def hold(self, thing: Object, seen: set[int] | None = None, depth: int = 0) -> None:
        """Make every tensor of a module a constant of the graph."""
        seen = set() if seen is None else seen
        if id(thing) in seen or depth > _DEEPEST:
            return
        seen.add(id(thing))
        for name, value in thing.attributes.items():
            if isinstance(value, StoredTensor):
                self._tensor(value, f"{thing.path}.{name}" if thing.path else name)
            elif isinstance(value, Object):
                self.hold(value, seen, depth + 1)

    def method(
        self, thing: Object, name: str, arguments: Sequence[Any], caller: Frame | None, call: Any
    ) -> Any:
        """What a method of a module answers."""
        class_ = self.script.class_of(thing)
        function = class_.methods.get(name) if class_ is not None else None
        if function is None:
            raise UncoveredError(f"{thing.kind}.{name}: a method without code")
        return self.function(function, [thing, *arguments], {}, caller, call, thing.path)

    def function(
        self, function: Function, arguments: Sequence[Any], named: Mapping[str, Any], caller: Frame | None, call: Any,
        path: str | None = None,
    ) -> Any:  # fmt: skip
        """What a function answers."""
        return self.finish(self.open(function, arguments, named, caller, call, path))

    def open(
        self, function: Function, arguments: Sequence[Any], named: Mapping[str, Any], caller: Frame | None, call: Any,
        path: str | None = None,
    ) -> Frame:  # fmt: skip
        """A call of a function, with its arguments in its variables.

        Raises:
            ItemError: calls nested too deep, or an argument is missing.
        """
        depth = caller.depth + 1 if caller is not None else 0
        if depth > _DEEPEST:
            raise ItemError(self.script.name, f"calls nested more than {_DEEPEST} deep")
        if path is None:
            path = caller.path if caller is not None else ""
        bodies = caller.bodies if caller is not None else 0
        frame = Frame(function, path, caller=caller, call=call, depth=depth, bodies=bodies)
        self._bind(frame, arguments, named)
        self.calls[id(function.tree)] = self.calls.get(id(function.tree), 0) + 1
        return frame

    def finish(self, frame: Frame) -> Any:
        """What the function of a call answers."""
        before, self.b.path = self.b.path, frame.path
        try:
            answer = branches.run(self, frame.function.tree.body, frame)
        finally:
            self.b.path = before
        return answer.value if answer is not None else None

    def _bind(self, frame: Frame, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
        tree = frame.function.tree
        names = [argument.arg for argument in tree.args.args]
        defaults = dict(zip(names[len(names) - len(tree.args.defaults) :], tree.args.defaults, strict=True))
        for name in names[len(arguments) :]:
            if name in named:
                frame.variables[name] = named[name]
            elif name in defaults:
                frame.variables[name] = self.value(defaults[name], frame)
            else:
                raise ItemError(self.script.name, f"{tree.name} is called without {name!r}")
        frame.variables.update(zip(names, arguments, strict=False))

    # -------------------------------------------------------------- statements

    def statement(self, tree: ast.stmt, frame: Frame) -> branches.Answer | None:
        """Carry out a statement; an answer where it returns.

        Raises:
            ItemError: code that is not read, or without end.
        """
        self._statements += 1
        if self._statements > _STATEMENTS:
            raise ItemError(self.script.name, f"more than {_STATEMENTS:,} statements")
        before = len(self.b.nodes)
        answer = self._statement(tree, frame)
        if not frame.bodies:
            frame.steps.append(Step(tree, frozenset(node.name for node in self.b.nodes[before:])))
        return answer

    def _statement(self, tree: ast.stmt, frame: Frame) -> branches.Answer | None:
        match tree:
            case ast.Return(value=value):
                return branches.Answer(None if value is None else self.value(value, frame))
            case ast.Assign(targets=[target], value=value):
                self.b.expected = len(target.elts) if isinstance(target, ast.Tuple) else 1
                self._store(target, self.value(value, frame), frame)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._store(target, self.value(value, frame), frame)
            case ast.Expr(value=value):
                self.b.expected = 1
                self.value(value, frame)
            case ast.If():
                return branches.choose(self, tree, frame)
            case ast.For() | ast.While():
                return branches.repeat(self, tree, frame)
            case ast.With(body=body):
                return branches.run(self, body, frame)
            case ast.Pass():
                pass
            case _:
                raise self.unread(tree, frame)
        return None

    def unread(self, tree: ast.AST, frame: Frame) -> ItemError:
        """The error for code of a kind that TorchScript does not write."""
        line = getattr(tree, "lineno", 0)
        return ItemError(self.script.name, f"{frame.function.file}:{line}: {type(tree).__name__} is not read")

    def _store(self, target: ast.expr, value: Any, frame: Frame) -> None:
        if isinstance(target, ast.Name):
            frame.variables[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            if isinstance(value, Tensor) and self.b.dims(value) is not None:
                value = translated(self.b, "unbind", [value], {})
            if not isinstance(value, list | tuple) or len(value) != len(target.elts):
                what = value.what if isinstance(value, Unread) else "values that do not fit"
                raise ItemError(self.script.name, f"{frame.function.file}:{target.lineno}: {what}")
            for part, its in zip(target.elts, value, strict=True):
                self._store(part, its, frame)
        elif isinstance(target, ast.Attribute):
            thing = self.value(target.value, frame)
            if not isinstance(thing, Object):
                raise self.unread(target, frame)
            thing.attributes[target.attr] = value
        else:
            raise self.unread(target, frame)

    # ------------------------------------------------------------- expressions

    def value(self, tree: ast.expr, frame: Frame) -> Any:
        """The value of an expression."""
        self._nested += 1
        try:
            if self._nested > _NESTED * (1 + frame.depth):
                raise ItemError(self.script.name, f"expressions nested more than {_NESTED} deep")
            found = self._value(tree, frame)
        finally:
            self._nested -= 1
        if isinstance(found, Tensor) and not frame.bodies:
            self._remember(self.b.read(found), Place(frame, tree))
        return found

    def _remember(self, name: str, place: Place) -> None:
        """Keep the first expression of the outermost function that has a tensor as its value."""
        known = self.places.get(name)
        if known is None or place.frame.depth < known.frame.depth:
            self.places[name] = place

    def _value(self, tree: ast.expr, frame: Frame) -> Any:
        match tree:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._variable(name, tree, frame)
            case ast.Call():
                return self._call(tree, frame)
            case ast.Attribute():
                return self._attribute(tree, frame)
            case ast.List(elts=parts):
                return [self.value(part, frame) for part in parts]
            case ast.Tuple(elts=parts):
                return tuple(self.value(part, frame) for part in parts)
            case ast.Dict(keys=keys, values=values):
                return {
                    self._key(key, frame): self.value(v, frame) for key, v in zip(keys, values, strict=True)
                }
            case ast.Subscript(value=thing, slice=at):
                return self._item(self.value(thing, frame), self.value(at, frame), tree, frame)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._operator("neg", [self.value(operand, frame)], {})
            case ast.IfExp(test=test, body=body, orelse=orelse):
                flag = branches.truth(self, self.value(test, frame))
                if flag is None:
                    raise self.unread(tree, frame)
                return self.value(body if flag else orelse, frame)
            case _:
                raise self.unread(tree, frame)

    def _key(self, tree: ast.expr | None, frame: Frame) -> Any:
        key = None if tree is None else self.value(tree, frame)
        if not isinstance(key, str | int | float | bool):
            raise ItemError(self.script.name, "a dict whose keys are no plain values")
        return key

    def _variable(self, name: str, tree: ast.Name, frame: Frame) -> Any:
        if name in frame.variables:
            return frame.variables[name]
        if name in _NUMBERS:
            return _NUMBERS[name]
        raise ItemError(self.script.name, f"{frame.function.file}:{tree.lineno}: {name!r} has no value")

    def _item(self, thing: Any, key: Any, tree: ast.expr, frame: Frame) -> Any:
        if isinstance(thing, Tensor):
            return translated(self.b, "select", [thing, 0, key], {})
        try:
            return thing[key]
        except (TypeError, KeyError, IndexError) as error:
            reason = f"{frame.function.file}:{tree.lineno}: no such item: {str(error)[:100]}"
            raise ItemError(self.script.name, reason) from error

    def _attribute(self, tree: ast.Attribute, frame: Frame) -> Any:
        dotted = _dotted(tree)
        if dotted.startswith("CONSTANTS.c") and "CONSTANTS" not in frame.variables:
            return self._constant(int(tree.attr[1:]) if tree.attr[1:].isdecimal() else -1)
        if dotted.startswith("__torch__."):
            return self.script.find(dotted) or Unread(dotted)
        if dotted.split(".")[0] in _SPACES and dotted.split(".")[0] not in frame.variables:
            return Unread(dotted)
        thing = self.value(tree.value, frame)
        return self.attribute(thing, tree.attr)

    def attribute(self, thing: Any, name: str) -> Any:
        """An attribute of a module, or a field of a named tuple."""
        if isinstance(thing, Object):
            if name in thing.attributes:
                return self._usable(thing.attributes[name], f"{thing.path}.{name}" if thing.path else name)
            if name == "training":
                return False
            found = self.script.class_of(thing)
            if found is not None and name in found.methods:
                return found.methods[name]
        if isinstance(thing, dict) and name in thing:
            return thing[name]
        raise ItemError(self.script.name, f"{getattr(thing, 'kind', type(thing).__name__)} has no {name!r}")

    def _usable(self, value: Any, path: str) -> Any:
        if isinstance(value, StoredTensor):
            return self._tensor(value, path)
        if isinstance(value, list) and any(isinstance(part, StoredTensor) for part in value):
            return [self._usable(part, f"{path}.{i}") for i, part in enumerate(value)]
        return False if path.endswith("training") and isinstance(value, bool) else value

    def _tensor(self, stored: StoredTensor, path: str) -> Tensor:
        """A tensor of the file, once."""
        if id(stored) not in self._held:
            held = Constant(shape=stored.shape, dtype=stored.dtype, load=stored.array)
            self._held[id(stored)] = self.b.constant(path, held)
        return self._held[id(stored)]

    def _constant(self, number: int) -> Any:
        if not 0 <= number < len(self.script.constants):
            raise ItemError(self.script.name, f"the constant c{number} is missing")
        value = self.script.constants[number]
        if not isinstance(value, StoredTensor):
            return value
        if (
            value.shape == () and value.dtype.kind in "biuf"
        ):  # a number: torch computes with it as with one of the code
            if number not in self._constants:
                self._constants[number] = value.array().item()
            return self._constants[number]
        return self._tensor(value, f"CONSTANTS.c{number}")

    # ------------------------------------------------------------------- calls

    def _call(self, tree: ast.Call, frame: Frame) -> Any:
        special = _SPECIAL.get(tree.func.id) if isinstance(tree.func, ast.Name) else None
        if special is not None and isinstance(tree.func, ast.Name) and tree.func.id not in frame.variables:
            return special(self, tree, frame)
        expected, self.b.expected = self.b.expected, 1
        arguments = [self.value(argument, frame) for argument in tree.args]
        named = {k.arg: self.value(k.value, frame) for k in tree.keywords if k.arg is not None}
        self.b.expected = expected
        dotted = _dotted(tree.func)
        space = dotted.split(".")[0]
        if space in _SPACES and space not in frame.variables:
            return self._operator(_operator_name(dotted), arguments, named)
        if isinstance(tree.func, ast.Attribute) and not dotted.startswith("__torch__."):
            thing = self.value(tree.func.value, frame)
            if isinstance(thing, Object):
                return self._method(thing, tree.func.attr, arguments, named, frame, tree)
        if dotted.endswith(".__new__") and dotted.startswith("__torch__."):
            return Object(dotted.removesuffix(".__new__"), path=frame.path)
        return self._called(self.value(tree.func, frame), arguments, named, frame, tree)

    def _method(
        self,
        thing: Object,
        name: str,
        arguments: list[Any],
        named: dict[str, Any],
        frame: Frame,
        tree: ast.Call,
    ) -> Any:
        class_ = self.script.class_of(thing)
        function = class_.methods.get(name) if class_ is not None else None
        if function is not None:
            return self.function(function, [thing, *arguments], named, frame, tree, thing.path)
        answers = self.b.opaque(
            f"{thing.kind.rpartition('.')[2]}::{name}", [arguments, named], self.b.expected
        )
        return answers[0] if len(answers) == 1 else tuple(answers)

    def _called(
        self, thing: Any, arguments: list[Any], named: dict[str, Any], frame: Frame, tree: ast.Call
    ) -> Any:
        if isinstance(thing, Function):
            return self.function(thing, arguments, named, frame, tree)
        if isinstance(thing, Class):  # a named tuple
            return dict(zip(thing.fields, arguments, strict=False)) | named
        raise self.unread(tree, frame)

    def _operator(self, name: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        """What an operator answers: computed where it needs no tensor, else put into the graph."""
        if name in ("eq", "ne") and len(arguments) == 2:
            same = self._same(*arguments)
            if same is not None:
                return same if name == "eq" else self._operator("__not__", [same], {})
        try:
            answer = plainly(name, arguments, named)
            answer = about_tensors(self.b, name, arguments, named) if answer is MISSING else answer
        except UncoveredError:
            answer = self.b.opaque(f"aten::{name}", [arguments, named], 1)[0]
        if answer is not MISSING:
            return answer
        return translated(self.b, name.removeprefix("aten."), arguments, named)

    def _same(self, left: Any, right: Any) -> Any:
        """Whether sizes, or lists of them, are equal; None where neither is one."""
        if isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            pairs = [self._operator("eq", [a, b], {}) for a, b in zip(left, right, strict=True)]
            if any(flag is False for flag in pairs):
                return False
            open_ = [flag for flag in pairs if flag is not True]
            return True if not open_ else functools.reduce(lambda a, b: self.b.emit("And", a, b), open_)
        sizes = isinstance(left, Size) and isinstance(right, Size)
        return True if sizes and (left == right or (left.symbol and left.symbol == right.symbol)) else None


def _operator_name(dotted: str) -> str:
    """The operator: "add" of "torch.add" and "ops.aten.add"; "prim.dtype" of "ops.prim.dtype"."""
    parts = dotted.split(".")
    if parts[0] == "ops" and len(parts) > 2:
        return ".".join(parts[2:]) if parts[1] == "aten" else ".".join(parts[1:])
    return ".".join(parts[1:])


def _dotted(tree: ast.expr) -> str:
    """Names with dots as text: "a.b.c", "" for other expressions."""
    names: list[str] = []
    while isinstance(tree, ast.Attribute):
        names.append(tree.attr)
        tree = tree.value
    if not isinstance(tree, ast.Name):
        return ""
    return ".".join([tree.id, *reversed(names)])


def _last(reader: Reader, tree: ast.Call, frame: Frame) -> Any:
    """annotate(type, value), unchecked_cast(type, value)."""
    return reader.value(tree.args[-1], frame)


def _number(name: str) -> Callable[[Reader, ast.Call, Frame], Any]:
    plain: dict[str, Any] = {"Int": int, "Float": float, "Bool": bool}

    def translate(reader: Reader, tree: ast.Call, frame: Frame) -> Any:
        value = reader.value(tree.args[0], frame)
        if isinstance(value, bool | int | float | str):
            return plain[name](value)
        answer = about_tensors(reader.b, name, [value], {})
        if answer is MISSING:
            raise reader.unread(tree, frame)
        return answer

    return translate


def _getattr(reader: Reader, tree: ast.Call, frame: Frame) -> Any:
    name = reader.value(tree.args[1], frame)
    return reader.attribute(reader.value(tree.args[0], frame), str(name))


def _isinstance(reader: Reader, tree: ast.Call, frame: Frame) -> Any:
    value = reader.value(tree.args[0], frame)
    wanted = ast.unparse(tree.args[1])
    if "Tensor" in wanted:
        return isinstance(value, Tensor)
    plain = {"int": int, "float": float, "bool": bool, "str": str, "List": list, "Dict": dict, "Tuple": tuple}
    known = [kind for name, kind in plain.items() if name in wanted]
    return isinstance(value, tuple(known)) if known else value is None


_SPECIAL: Final[Mapping[str, Callable[[Reader, ast.Call, Frame], Any]]] = {
    "annotate": _last, "unchecked_cast": _last, "uninitialized": lambda r, t, f: NOTHING_YET,
    "int": _number("Int"), "float": _number("Float"), "bool": _number("Bool"), "getattr": _getattr,
    "isinstance": _isinstance, "str": lambda r, t, f: "", "device": lambda r, t, f: DEVICE,
}  # fmt: skip
