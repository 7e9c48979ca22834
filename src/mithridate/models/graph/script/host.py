"""What the code of TorchScript computes with plain values: sizes, flags, lists, text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mithridate.models.graph.aten.builder import Builder
from mithridate.models.graph.aten.values import CODES, DEVICE, Size, Tensor, UncoveredError, flat

__all__ = ["MISSING", "about_tensors", "plainly"]

#: answer of both functions when it is not theirs to say.
MISSING: Final = object()
_LONGEST: Final = 100_000  # of a list that code makes


def _long(thing: Any) -> Any:
    if isinstance(thing, list | tuple | str) and len(thing) > _LONGEST:
        raise UncoveredError("a list without end")
    return thing


def _mul(left: Any, right: Any) -> Any:
    for many, times in ((left, right), (right, left)):
        if isinstance(many, list | str | tuple) and (
            not isinstance(times, int) or len(many) * times > _LONGEST
        ):
            raise UncoveredError("a list without end")
    return left * right


def _pow(left: Any, right: Any) -> Any:
    if isinstance(left, int) and abs(left) > 1 and abs(right) > 64:  # torch's numbers have 64 bits
        raise UncoveredError("a number without end")
    return left**right


def _div(left: Any, right: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return left // right
    return math.trunc(left / right) if rounding_mode == "trunc" else left / right


def _slice(thing: Any, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return thing[slice(start, end, step)]


def _append(thing: list[Any], value: Any) -> list[Any]:
    thing.append(value)
    return _long(thing)  # type: ignore[no-any-return]


def _extend(thing: list[Any], values: Any) -> None:
    thing.extend(values)
    _long(thing)


def _insert(thing: list[Any], at: int, value: Any) -> None:
    thing.insert(at, value)


def _pop(thing: Any, *at: Any) -> Any:
    return thing.pop(*at)


def _set_item(thing: Any, key: Any, value: Any) -> Any:
    thing[key] = value
    return thing


def _contains(thing: Any, value: Any) -> bool:
    return value in thing


def _format(text: str, *_: Any) -> str:
    return text


#: on values without tensors; names with a leading "prim." are of that namespace.
_PLAIN: Final[Mapping[str, Callable[..., Any]]] = {
    "add": lambda a, b, alpha=1: _long(a + (b if alpha == 1 else b * alpha)),
    "sub": lambda a, b, alpha=1: a - (b if alpha == 1 else b * alpha), "rsub": lambda a, b: b - a, "mul": _mul,
    "div": _div, "floordiv": lambda a, b: a // b, "floor_divide": lambda a, b: a // b, "remainder": lambda a, b: a % b,
    "pow": _pow, "neg": lambda a: -a, "abs": abs, "floor": math.floor, "ceil": math.ceil, "round": round,
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos,
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b, "__and__": lambda a, b: a and b, "__or__": lambda a, b: a or b,
    "__xor__": lambda a, b: a ^ b, "logical_and": lambda a, b: bool(a and b),
    "logical_or": lambda a, b: bool(a or b), "any": any, "all": all, "sum": sum, "logical_not": lambda a: not a,
    "__not__": lambda a: not a, "to": lambda a, *_, **__: a, "detach": lambda a: a, "clone": lambda a: a,
    "prim.min": lambda *a: min(*a), "prim.max": lambda *a: max(*a), "prim.abs": abs, "upper": str.upper,
    "lower": str.lower, "join": lambda a, b: a.join(b), "split": lambda a, *b: a.split(*b), "str": str,
    "__range_length": lambda a, b, step: len(range(a, b, step)), "__derive_index": lambda i, a, step: a + i * step,
    "startswith": str.startswith, "endswith": str.endswith,
}  # fmt: skip

#: on lists, dicts and text, whatever lies in them.
_HOLDERS: Final[Mapping[str, Callable[..., Any]]] = {
    "len": len, "append": _append, "extend": _extend, "insert": _insert, "pop": _pop, "_set_item": _set_item,
    "__contains__": _contains, "keys": lambda a: list(a.keys()), "values": lambda a: list(a.values()),
    "items": lambda a: list(a.items()), "get": lambda a, *k: a.get(*k), "list": list, "copy": list,
    "reverse": lambda a: a.reverse(), "slice": _slice, "update": lambda a, b: a.update(b), "clear": lambda a: a.clear(),
    "dict": dict, "remove": lambda a, b: a.remove(b), "index": lambda a, b: a.index(b),
    "count": lambda a, b: a.count(b), "add": lambda a, b: _long(a + b), "mul": _mul,
}  # fmt: skip

_ALWAYS: Final[Mapping[str, Callable[..., Any]]] = {
    "__is__": lambda a, b: a is b or (isinstance(a, bool | int | str) and a == b),
    "__isnot__": lambda a, b: a is not b, "format": _format, "warn": lambda *a, **n: None,
    "device": lambda *a, **n: DEVICE, "is_grad_enabled": lambda: False, "set_grad_enabled": lambda a: None,
    "prim.device": lambda a: DEVICE,
    "prim.type": lambda a: "cpu", "prim.index": lambda a: None,
    "prim.is_cuda": lambda a: False, "prim.is_quantized": lambda a: False,
    "prim.is_mkldnn": lambda a: False, "prim.is_sparse": lambda a: False, "prim.layout": lambda a: 0,
    "prim.requires_grad": lambda a: False, "is_scripting": lambda: True, "_no_grad": lambda: None,
    "is_autocast_enabled": lambda *a: False, "is_autocast_cpu_enabled": lambda: False, "is_tracing": lambda: False,
    "prim.unchecked_unwrap_optional": lambda a: a, "_unwrap_optional": lambda a: a, "prim.data": lambda a: a,
    "_get_tracing_state": lambda: False, "manual_seed": lambda a: None, "is_contiguous": lambda a, *n: True,
    "prim.is_nested": lambda a: False, "prim.is_meta": lambda a: False, "prim.is_mps": lambda a: False,
    "prim.is_xla": lambda a: False, "prim.is_cpu": lambda a: True, "prim.name": lambda a: None,
}  # fmt: skip


def plainly(name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The answer of an operator that needs no tensor, or `MISSING`.

    Raises:
        UncoveredError: arguments that such an operator cannot have.
    """
    function = _ALWAYS.get(name)
    if function is None and arguments and isinstance(arguments[0], list | dict | tuple | str):
        function = _HOLDERS.get(name)
    if function is None and not flat([*arguments, *named.values()]):
        function = _PLAIN.get(name)
    if function is None:
        return MISSING
    try:
        return function(*arguments, **named)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError) as error:
        raise UncoveredError(f"{name}: {str(error)[:100]}") from error


def _size(b: Builder, self: Tensor, dim: int | None = None) -> Any:
    if dim is not None:
        return b.size(self, dim)
    return b.emit("Shape", self) if b.dims(self) is None else b.sizes(self)


def _numel(b: Builder, self: Tensor) -> Any:
    dims = b.dims(self)
    sizes = [size for size in dims or () if isinstance(size, int)]
    if dims is not None and len(sizes) == len(dims):
        return math.prod(sizes)
    return b.emit("Size", self)


def _dtype(b: Builder, self: Tensor) -> int:
    name = b.dtype(self).name
    return next(code for code, known in CODES.items() if known == name)


def _to_number(kind: Any) -> Callable[..., Any]:
    def translate(b: Builder, self: Any) -> Any:
        if isinstance(self, Size):
            return self if kind is np.int64 else b.tensor(self, kind)
        value = b.value(self) if b.dims(self) == () else None
        if value is not None:
            return value.astype(kind).item()
        single = (
            self if b.dims(self) in ((), None) else b.emit("Reshape", self, np.asarray([], dtype=np.int64))
        )
        return b.cast(single, kind)

    return translate


def _item(b: Builder, self: Any) -> Any:
    return self if isinstance(self, Size) else _to_number(b.dtype(self).type)(b, self)


_ABOUT: Final[Mapping[str, Callable[..., Any]]] = {
    "size": _size, "dim": lambda b, self: b.rank(self), "prim.ndim": lambda b, self: b.rank(self),
    "prim.shape": _size, "prim.size": _size, "numel": _numel, "prim.numel": _numel, "prim.dtype": _dtype,
    "len": lambda b, self: b.size(self, 0), "is_floating_point": lambda b, self: b.dtype(self).kind == "f",
    "is_complex": lambda b, self: b.dtype(self).kind == "c", "item": _item, "prim.NumToTensor": lambda b, self: self,
    "Int": _to_number(np.int64), "Float": _to_number(np.float32), "Bool": _to_number(np.bool_),
    "prim.itemsize": lambda b, self: b.dtype(self).itemsize, "sym_size": _size,
}  # fmt: skip


def about_tensors(b: Builder, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What code asks about a tensor, or about a size that varies; `MISSING` for other operators."""
    if name not in _ABOUT or not arguments:
        return MISSING
    first = arguments[0]
    if name == "prim.NumToTensor":
        return first
    if isinstance(first, bool | int | float):
        casts: dict[str, Any] = {"Int": int, "Float": float, "Bool": bool}
        return casts[name](first) if name in casts else first if name == "item" else MISSING
    if isinstance(first, Size) and name not in ("Int", "Float", "Bool", "item"):
        first = b.tensor(first)
    if not isinstance(first, Tensor | Size):
        return MISSING
    return _ABOUT[name](b, first, *arguments[1:], **named)
