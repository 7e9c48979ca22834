"""Exported programs (.pt2) → `Graph`, without torch and without unpickling anything."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mithridate.core.errors import ItemError
from mithridate.models.files.item import Item
from mithridate.models.graph.aten.bodies import Body, add_answer, put_if
from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.table import translated
from mithridate.models.graph.aten.values import CODES, DEVICE, Dim, Size, Tensor, Type, UncoveredError
from mithridate.models.graph.ir import Graph
from mithridate.models.graph.pt2_file import Pt2File, scalar_type
from mithridate.models.graph.script.host import MISSING, about_tensors, plainly

__all__ = ["graph_of_pt2"]

_DEEPEST: Final = 32  # graphs within graphs
_ATEN: Final = "torch.ops.aten."
_HIGHER: Final = "torch.ops.higher_order."
#: say something about a run that no graph says.
_SILENT: Final = ("_assert", "sym_constrain", "_functional_sym_constrain", "sym_is_contiguous")
#: operators on sizes, as Python calls them → as TorchScript does.
_PYTHON: Final = {
    "truediv": "div", "mod": "remainder", "and_": "__and__", "or_": "__or__", "not_": "__not__", "sym_not": "__not__",
    "sym_max": "prim.max", "sym_min": "prim.min", "sym_float": "Float", "sym_int": "Int", "trunc": "Int",
}  # fmt: skip
_BY_NAME: Final = frozenset(
    ("dtype", "device", "layout", "pin_memory", "memory_format", "alpha", "rounding_mode")
)


def graph_of_pt2(item: Item, *, model: str | None = None) -> Graph:
    """The graph of an exported program; operators without a translation are "aten::NAME" or "NAMESPACE::NAME".

    Names of operators and tensors begin with the module that they belong to, where the file says so.

    Args:
        item: the file.
        model: name of the program, where the file holds several.

    Raises:
        ItemError: no exported program, or one that contradicts itself.
        UsageError: onnx is not installed.
    """
    file = Pt2File(item, model)
    try:
        return _Program(file).graph()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ItemError(
            item.name, f"no exported program: {type(error).__name__}: {str(error)[:200]}"
        ) from error
    except (UncoveredError, RecursionError) as error:
        raise ItemError(item.name, f"a program that is not read: {str(error)[:200]}") from error


class _Program:
    """One reading of a program."""

    def __init__(self, file: Pt2File) -> None:
        self._file, self._b = file, Builder(file.name)
        self._module = file.program["graph_module"]
        self._depth = 0

    def graph(self) -> Graph:
        main, signature = self._module["graph"], self._module["signature"]
        values = self._inputs(main, signature)
        self._run(main, values)
        outputs: list[Tensor] = []
        for spec in signature["output_specs"]:
            (kind, what), *_ = spec.items()
            if kind == "user_output":
                outputs += _tensors(self._b, self._value(what["arg"], values))
        return self._b.graph(outputs)

    def _inputs(self, main: Mapping[str, Any], signature: Mapping[str, Any]) -> dict[str, Any]:
        """The values that the program starts with: its tensors, and what it is fed."""
        held = {name: self._b.constant(name, value) for name, value in self._file.tensors().items()}
        values: dict[str, Any] = {}
        for spec in signature["input_specs"]:
            (kind, what), *_ = spec.items()
            if kind == "user_input":
                (how, given), *_ = what["arg"].items()
                if how == "as_tensor":
                    values[given["name"]] = self._b.input(given["name"], self._type(main, given["name"]))
                elif how.startswith("as_sym_") and "as_name" in given:
                    values[given["as_name"]] = self._b.input(given["as_name"], Type((), np.dtype(np.int64)))
                continue
            name = what.get(f"{kind}_name")
            if isinstance(what.get("arg"), dict) and name in held:
                values[what["arg"]["name"]] = held[name]
            elif isinstance(what.get("arg"), dict) and kind in ("parameter", "buffer", "tensor_constant"):
                raise ItemError(self._file.name, f"the {kind} {name!r} is missing")
        return values

    def _type(self, graph: Mapping[str, Any], name: str) -> Type:
        """What the file says about a tensor."""
        meta = graph["tensor_values"].get(name)
        if meta is None:
            return Type()
        dims: list[Dim] = []
        for size in meta["sizes"]:
            dims.append(size["as_int"] if "as_int" in size else str(size["as_expr"]["expr_str"]))
        code = CODES.get(scalar_type(meta["dtype"]))
        return Type(tuple(dims), None if code is None else np.dtype(code))

    # --------------------------------------------------------------- operators

    def _run(self, graph: Mapping[str, Any], values: dict[str, Any]) -> None:
        for node in graph["nodes"]:
            before, self._b.path = self._b.path, _path(node) or self._b.path
            try:
                self._node(graph, node, values)
            finally:
                self._b.path = before

    def _node(self, graph: Mapping[str, Any], node: Mapping[str, Any], values: dict[str, Any]) -> None:
        target = str(node["target"])
        positional = [part for part in node["inputs"] if not _named(part)]
        arguments = [self._value(part["arg"], values) for part in positional]
        named = {part["name"]: self._value(part["arg"], values) for part in node["inputs"] if _named(part)}
        wanted = [_wanted(output) for output in node["outputs"]]
        flat = [name for names in wanted for name in names]
        self._b.expected = max(len(flat), 1)
        if target.startswith(_HIGHER):
            answer = self._higher(target.removeprefix(_HIGHER), arguments, len(flat))
        else:
            answer = self._operator(target, arguments, named)
        found = answer if isinstance(answer, list | tuple) else [answer]
        for name, value in zip(flat, found, strict=False):
            values[name] = value
            known = self._type(graph, name)
            if isinstance(value, Tensor) and known.dims is not None and self._b.dims(value) is None:
                self._b.set_type(value, Type(known.dims, self._b.type(value).dtype or known.dtype))

    def _operator(self, target: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        if target.startswith(_ATEN):
            name = target.removeprefix(_ATEN).split(".")[0]
            if name.startswith(_SILENT):
                return None
        elif target.startswith("torch.ops."):
            return self._b.opaque("::".join(target.split(".")[2:4]), [arguments, named], self._b.expected)
        else:
            last = target.rpartition(".")[2]
            name = _PYTHON.get(last, last)
        if name in _SYMBOLS and not any(isinstance(value, Tensor | Size) for value in arguments):
            return _SYMBOLS[name](*arguments)
        answer = plainly(name, arguments, named)
        if answer is MISSING:
            answer = about_tensors(self._b, name, arguments, named)
        return translated(self._b, name, arguments, named) if answer is MISSING else answer

    def _higher(self, name: str, arguments: list[Any], count: int) -> Any:
        """Operators that are given graphs."""
        name = name.split(".")[0]
        graphs = [value for value in arguments if isinstance(value, dict)]
        if name == "cond" and len(graphs) == 2:
            return self._choice(arguments[0], graphs, arguments[3])
        if name.startswith("wrap_with_") and len(graphs) == 1:
            return self._inner(graphs[0], arguments[arguments.index(graphs[0]) + 1 :])
        plain = [value for value in arguments if not isinstance(value, dict)]
        return self._b.opaque(f"higher_order::{name}", plain, max(count, 1))

    def _inner(self, graph: Mapping[str, Any], arguments: Sequence[Any]) -> list[Any]:
        """What a graph within the graph answers."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ItemError(self._file.name, f"graphs nested more than {_DEEPEST} deep")
        arguments = [part for value in arguments for part in (value if isinstance(value, list) else [value])]
        names = [name for part in graph["inputs"] for name in _wanted(part)]
        values = dict(zip(names, arguments, strict=False))
        self._run(graph, values)
        self._depth -= 1
        return [self._value(part, values) for part in graph["outputs"]]

    def _choice(self, condition: Any, graphs: Sequence[Mapping[str, Any]], arguments: Any) -> list[Any]:
        if isinstance(condition, bool):
            return self._inner(graphs[0 if condition else 1], arguments)
        ways: list[Body] = []
        answers: list[list[Any]] = []
        for graph in graphs:
            with self._b.block() as (nodes, _):
                answers.append(self._inner(graph, arguments))
            ways.append(Body(nodes))
        for pair in zip(*answers, strict=True):
            add_answer(self._b, list(pair), ways)
        return list(put_if(self._b, condition, *ways))

    # ------------------------------------------------------------------ values

    def _value(self, argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """The value of an argument: {"as_KIND": what}."""
        (kind, what), *_ = argument.items()
        kind = kind.removeprefix("as_")
        if kind == "tensor":
            return values[what["name"]]
        if kind in ("tensors", "optional_tensors"):
            return [values[part["name"]] if "name" in part else self._value(part, values) for part in what]
        if kind in ("none", "complex"):
            return None
        if kind.startswith("sym_"):
            parts = [_symbol(part, values) for part in (what if kind.endswith("s") else [what])]
            return parts if kind.endswith("s") else parts[0]
        if kind == "scalar_type":
            return scalar_type(what)
        if kind in ("device", "layout", "memory_format"):
            return DEVICE
        if kind == "graph":
            return what["graph"]
        if kind in _PLAIN:
            return list(what) if isinstance(what, list) else what
        raise UncoveredError(f"an argument that is a {kind}")


_PLAIN: Final = frozenset(
    ("int", "ints", "float", "floats", "bool", "bools", "string", "strings", "expr", "name", "operator")
)
_SYMBOLS: Final[Mapping[str, Callable[..., Any]]] = {
    "Float": float, "Int": int, "prim.max": max, "prim.min": min, "__not__": operator.not_,
}  # fmt: skip


def _symbol(part: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """A size: by name, or as a number; JSON writes floats that are no numbers as text."""
    if "as_name" in part:
        return values[part["as_name"]]
    (_, number), *_ = part.items()
    return number


def _named(part: Mapping[str, Any]) -> bool:
    """Whether an argument is given by name: kind 2; old files do not say."""
    kind = part.get("kind")
    return kind == 2 if kind is not None else part.get("name") in _BY_NAME


def _wanted(output: Mapping[str, Any]) -> list[str]:
    """The names that an answer is kept under."""
    (_, what), *_ = output.items()
    parts = what if isinstance(what, list) else [what]
    names = [part.get("name", part.get("as_name", "")) for part in parts if isinstance(part, dict)]
    return [str(name) for name in names]


def _path(node: Mapping[str, Any]) -> str:
    """The module that an operator belongs to: "…;L__self___c,c,torch.nn.modules.conv.Conv2d"."""
    stack = (node.get("metadata") or {}).get("nn_module_stack", "")
    last = str(stack).rpartition(";")[2].split(",")
    return last[1].removeprefix("L['self'].") if len(last) > 1 else ""


def _tensors(b: Builder, value: Any) -> list[Tensor]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [found for part in value for found in _tensors(b, part)]
    return [b.tensor(value)]
