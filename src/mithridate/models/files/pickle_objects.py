"""What a pickle would build, as plain structures and records; nothing is imported, called or looked up.

Reference:
    The opcodes and their stack effects: CPython, `Lib/pickletools.py` (PSF licence; re-implemented from its text).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, TypeAlias

from mithridate.core.errors import ItemError

__all__ = ["Call", "Extension", "Global", "Limits", "Persistent", "global_name", "mapping_of", "read_pickle"]


@dataclass(frozen=True)
class Global:
    """A name that a loader would import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Call:
    """An object that a loader would make by a call.

    Attributes:
        function: what is called: mostly a `Global`.
        arguments: positional ones.
        named: keyword arguments (NEWOBJ_EX).
        new: by `cls.__new__` (NEWOBJ) and not by calling.
        state: what BUILD sets, None where nothing does.
        items: what is appended to it.
        pairs: (key, value) that are set in it.
    """

    function: Any
    arguments: tuple[Any, ...] = ()
    named: Any = None
    new: bool = False
    state: Any = None
    items: list[Any] = field(default_factory=list)
    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Persistent:
    """Something that the loader keeps elsewhere, such as the storage of a tensor."""

    id: Any


@dataclass(frozen=True)
class Extension:
    """A name by number, of copyreg's registry."""

    code: int


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is read of one pickle.

    Attributes:
        size: bytes.
        opcodes: steps.
    """

    size: int = 256 << 20
    opcodes: int = 8_000_000


def global_name(thing: Any) -> str:
    """`module.name` of a `Global`, or of what a `Call` calls; "" for anything else."""
    if isinstance(thing, Call):
        thing = thing.function
    return str(thing) if isinstance(thing, Global) else ""


def mapping_of(thing: Any) -> Mapping[Any, Any] | None:
    """A dict, or the pairs of an ordered or default dict; None for anything else."""
    if isinstance(thing, dict):
        return thing
    if isinstance(thing, Call) and global_name(thing) in _MAPPINGS:
        pairs = list(thing.pairs)
        for argument in thing.arguments:
            if isinstance(argument, dict):
                pairs = [*argument.items(), *pairs]
            elif isinstance(argument, list):  # protocol 0 and 1: a list of pairs
                pairs = [*(tuple(p) for p in argument if isinstance(p, list | tuple) and len(p) == 2), *pairs]
        return {key: value for key, value in pairs if _plain_key(key)}
    return None


def read_pickle(stream: BinaryIO, name: str, limits: Limits | None = None) -> Any:
    """The object of one pickle; the stream is left behind its end.

    Args:
        stream: at the start of the pickle.
        name: for messages.
        limits: how much is read.

    Returns:
        Numbers, text, bytes, lists, tuples, dicts, sets, and the records of this module.

    Raises:
        ItemError: it is no pickle, breaks off, contradicts itself or is longer than the limits.
    """
    limits = limits or Limits()
    machine = _Machine(name)
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(_Bounded(stream, limits.size, name))):  # type: ignore[arg-type]
            if step >= limits.opcodes:
                raise ItemError(name, f"a pickle of more than {limits.opcodes:,} steps")
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise ItemError(name, f"no whole pickle: {str(error)[:200]}") from error
    raise ItemError(name, "no whole pickle: it has no end")


class _Bounded:
    """A stream that gives out only so much: pickletools asks for as much as a pickle claims."""

    def __init__(self, stream: BinaryIO, left: int, name: str) -> None:
        self._stream, self._left, self._name = stream, left, name

    def read(self, count: int) -> bytes:
        return self._spend(self._stream.read(min(count, self._left + 1)))

    def readline(self) -> bytes:
        return self._spend(self._stream.readline(min(self._left + 1, _LONGEST_LINE)))

    def _spend(self, content: bytes) -> bytes:
        self._left -= len(content)
        if self._left < 0:
            raise ItemError(self._name, "a pickle larger than what is read of one")
        return content


class _Machine:
    """The stack machine of pickle, with records in place of calls."""

    def __init__(self, name: str) -> None:
        self.stack: list[Any] = []
        self._name = name
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _MAKE:
            self.stack.append(_MAKE[opcode]())
        elif opcode in _PUT:
            self._memo[len(self._memo) if argument is None else int(argument)] = self.stack[-1]
        elif opcode in _GET:
            self.stack.append(self._memo[int(argument)])
        elif opcode not in _NOTHING:
            handler: Callable[[Any], None] | None = getattr(self, f"_{opcode.lower()}", None)
            if handler is None:
                raise ItemError(self._name, f"a pickle with {opcode}, which needs data from elsewhere")
            handler(argument)

    def _mark(self, _: Any) -> None:
        self._marks.append(self.stack)
        self.stack = []

    def _marked(self) -> list[Any]:
        items, self.stack = self.stack, self._marks.pop()
        return items

    def _pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._marked()

    def _pop_mark(self, _: Any) -> None:
        self._marked()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _list(self, _: Any) -> None:
        items = self._marked()
        self.stack.append(items)

    def _tuple(self, _: Any) -> None:
        items = self._marked()
        self.stack.append(tuple(items))

    def _tuple_of(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise IndexError("too few things for a tuple")
        del self.stack[-count:]
        self.stack.append(items)

    def _tuple1(self, _: Any) -> None:
        self._tuple_of(1)

    def _tuple2(self, _: Any) -> None:
        self._tuple_of(2)

    def _tuple3(self, _: Any) -> None:
        self._tuple_of(3)

    def _frozenset(self, _: Any) -> None:
        items = self._marked()
        self.stack.append(frozenset(_keys(items)))

    def _dict(self, _: Any) -> None:
        items = self._marked()
        self.stack.append({})
        self._set_pairs(items)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_pairs([key, value])

    def _setitems(self, _: Any) -> None:
        self._set_pairs(self._marked())

    def _set_pairs(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise ValueError("a key without a value")
        target = self.stack[-1]
        pairs = list(zip(_keys(items[::2]), items[1::2], strict=True))
        if isinstance(target, dict):
            target.update(pairs)
        elif isinstance(target, Call):
            target.pairs.extend(pairs)
        else:
            raise TypeError(f"items set in a {type(target).__name__}")

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        self._extend([value])

    def _appends(self, _: Any) -> None:
        self._extend(self._marked())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Call):
            target.items.extend(items)
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise TypeError(f"items appended to a {type(target).__name__}")

    def _additems(self, _: Any) -> None:
        items = self._marked()
        target = self.stack[-1]
        if isinstance(target, set):
            target.update(_keys(items))
        elif isinstance(target, Call):
            target.items.extend(items)
        else:
            raise TypeError(f"items added to a {type(target).__name__}")

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(Global(module, name))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a global whose name is no text")
        self.stack.append(Global(module, name))

    def _ext(self, code: int) -> None:
        self.stack.append(Extension(code))

    _ext1 = _ext2 = _ext4 = _ext

    def _reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(Call(function, _arguments(arguments)))

    def _newobj(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(Call(function, _arguments(arguments), new=True))

    def _newobj_ex(self, _: Any) -> None:
        named, arguments, function = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.stack.append(Call(function, _arguments(arguments), named=named, new=True))

    def _inst(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        items = self._marked()
        self.stack.append(Call(Global(module, name), tuple(items)))

    def _obj(self, _: Any) -> None:
        function, *arguments = self._marked()
        self.stack.append(Call(function, tuple(arguments)))

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Call):  # a loader would fail, or call what it finds in a shared object
            target = Call(target)
            self.stack[-1] = target
        if target.state is None:
            target.state = state
        elif isinstance(target.state, dict) and isinstance(state, dict):
            target.state.update(state)
        else:
            target.state = (target.state, state)

    def _persid(self, argument: str) -> None:
        self.stack.append(Persistent(argument))

    def _binpersid(self, _: Any) -> None:
        self.stack.append(Persistent(self.stack.pop()))


def _arguments(thing: Any) -> tuple[Any, ...]:
    return thing if isinstance(thing, tuple) else (thing,)


def _keys(items: list[Any]) -> Iterator[Any]:
    for item in items:
        if not _plain_key(item):
            raise TypeError(f"a {type(item).__name__} as a key")
        yield item


def _plain_key(key: Any) -> bool:
    """Whether hashing a key takes no time and no depth: tuples may be nested and shared without end."""
    left, seen = [key], 0
    while left:
        item = left.pop()
        seen += 1
        if seen > _WIDEST_KEY:
            return False
        if isinstance(item, tuple | frozenset):
            left.extend(item)
        elif not isinstance(item, _KEYS):
            return False
    return True


_Make: TypeAlias = Callable[[], Any]

_LONGEST_LINE: Final = 1 << 20
_WIDEST_KEY: Final = 200
_KEYS: Final = (
    str, bytes, int, float, bool, type(None), Global, Call, Persistent, Extension,
)  # fmt: skip
_MAPPINGS: Final = frozenset(
    {"collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict"}
)
_VALUES: Final = frozenset(
    {
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
        "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
        "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    }
)  # fmt: skip
_MAKE: Final[Mapping[str, _Make]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_PUT: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GET: Final = frozenset({"GET", "BINGET", "LONG_BINGET"})
_NOTHING: Final = frozenset({"PROTO", "FRAME"})
