"""What a pickle would do when it is loaded: which names it imports, what it calls with what. Nothing is done.

A pickle is a program for a small stack machine. This is that machine with everything that acts taken out: an import
gives a `Ref`, a call a `Made`, and each is told as an event. Containers hold plain values.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, BinaryIO

from mithridate.models.files.opcodes import Blob, BrokenPickleError, Op, Operations
from mithridate.models.files.pickle_events import (
    Built,
    Called,
    Changed,
    Computed,
    Data,
    Ended,
    Event,
    Extension,
    Imported,
    Made,
    Persistent,
    Ref,
    Table,
    Unknown,
)

__all__ = [
    "Built", "Called", "Changed", "Computed", "Data", "Ended", "Event", "Extension", "Imported", "Made", "Persistent",
    "Ref", "Table", "Unknown", "read_pickle",
]  # fmt: skip

#: Entries of a container that are kept; the rest is only looked at when it passes.
_KEEP = 256
#: What an operation counts for that leaves something larger than a reference in memory.
_WEIGHTS = {
    **dict.fromkeys(
        ("MARK", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "LIST", "DICT", "FROZENSET", "GLOBAL"), 5
    ),
    **dict.fromkeys(("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "REDUCE", "NEWOBJ", "OBJ", "INST"), 3),
}
#: Bytes of longer texts and numbers that are kept, and what counts as short.
_MOST_HELD, _SHORT = 128 << 20, 256
#: Operations that are read where a loader should find an array.
_MOST_OTHERWISE = 10_000


class _StackError(Exception):
    """The stack does not hold what an operation takes."""


class _Machine:
    def __init__(self, source: Operations, most: int) -> None:
        self.source, self.most = source, most
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: MutableMapping[int, Any] = {}
        #: containers stay as they are.
        self.frozen = False
        self.protocol = 0
        self.count, self.held = 0, 0

    def run(self) -> Iterator[Event]:
        """All events; the last is `Ended`."""
        broken: str | None = None
        try:
            for op in self.source:
                self.count += _WEIGHTS.get(op.name, 1)
                if self.count > self.most:
                    broken = f"more than {self.most:,} operations"
                    break
                if op.name == "STOP":
                    value = self.stack[-1] if self.stack else None
                    yield Ended(
                        self.source.at,
                        None if self.stack else "it leaves nothing",
                        self.protocol,
                        self.count,
                        value,
                    )
                    return
                yield from self.step(op)
        except BrokenPickleError as error:
            broken = str(error)
        except (_StackError, IndexError, KeyError):
            broken = f"an operation takes what is not there, before byte {self.source.at:,}"
        yield Ended(self.source.at, broken, self.protocol, self.count)

    def step(self, op: Op) -> Iterator[Event]:
        name = op.name
        plain = _PLAIN.get(name)
        if plain is not None:
            plain(self, op)
        elif name in _STRINGS:
            self.stack.append(self.kept(op.arg))
            yield Data(op.arg, op.offset)
        else:
            yield from _ACTING[name](self, op)

    def kept(self, value: Any) -> Any:
        """A text or number as it stays on the stack: long ones only while they are few."""
        size = (
            value.bit_length() >> 3
            if isinstance(value, int)
            else 0
            if isinstance(value, Blob)
            else len(value)
        )
        if size <= _SHORT:
            return value
        self.held += size
        return value if self.held <= _MOST_HELD else Unknown()

    def pop(self) -> Any:
        if not self.stack:
            raise _StackError
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            raise _StackError
        items, self.stack = self.stack, self.marks.pop()
        return items

    def top(self) -> Any:
        if not self.stack:
            raise _StackError
        return self.stack[-1]


# ---- operations that only move values about


def _push_arg(m: _Machine, op: Op) -> None:
    m.stack.append(op.arg)


def _push_long(m: _Machine, op: Op) -> None:
    m.stack.append(m.kept(op.arg))


def _constant(value: Any) -> Callable[[_Machine, Op], None]:
    def push(m: _Machine, op: Op) -> None:
        m.stack.append(value)

    return push


def _mark(m: _Machine, op: Op) -> None:
    m.marks.append(m.stack)
    m.stack = []


def _pop(m: _Machine, op: Op) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.pop_mark()


def _dup(m: _Machine, op: Op) -> None:
    m.stack.append(m.top())


def _tuple(count: int) -> Callable[[_Machine, Op], None]:
    def make(m: _Machine, op: Op) -> None:
        if len(m.stack) < count:
            raise _StackError
        items = tuple(m.stack[-count:])
        del m.stack[-count:]
        m.stack.append(items)

    return make


def _marked_tuple(m: _Machine, op: Op) -> None:
    items = m.pop_mark()
    m.stack.append(tuple(items))


def _marked_list(m: _Machine, op: Op) -> None:
    items = m.pop_mark()
    m.stack.append(items[:_KEEP])


def _marked_dict(m: _Machine, op: Op) -> None:
    items = m.pop_mark()
    table = Table()
    for key, value in zip(items[::2], items[1::2], strict=False):
        _enter(table, key, value)
    m.stack.append(table)


def _enter(table: Table, key: Any, value: Any) -> None:
    """Keep the first pairs, and all that name a special attribute."""
    if len(table.pairs) < _KEEP or (isinstance(key, str) and key.startswith("__")):
        table.pairs.append((key, value))


def _put(m: _Machine, op: Op) -> None:
    m.memo[op.arg] = m.top()


def _memoize(m: _Machine, op: Op) -> None:
    m.memo[len(m.memo)] = m.top()


def _get(m: _Machine, op: Op) -> None:
    m.stack.append(m.memo[op.arg])


def _proto(m: _Machine, op: Op) -> None:
    if op.arg > 5:
        raise BrokenPickleError(op.offset, f"protocol {op.arg} does not exist")
    m.protocol = max(m.protocol, op.arg)


def _nothing(m: _Machine, op: Op) -> None:
    pass


def _buffer(m: _Machine, op: Op) -> None:
    m.stack.append(Unknown())


def _pop_to_mark(m: _Machine, op: Op) -> None:
    m.pop_mark()


_STRINGS = frozenset({
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
})  # fmt: skip

_PLAIN: dict[str, Callable[[_Machine, Op], None]] = {
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"), _push_arg
    ),
    "LONG": _push_long, "LONG1": _push_long, "LONG4": _push_long,
    "NONE": _constant(None), "NEWTRUE": _constant(True), "NEWFALSE": _constant(False),
    "MARK": _mark, "POP": _pop, "POP_MARK": _pop_to_mark, "DUP": _dup,
    "EMPTY_TUPLE": _constant(()), "TUPLE1": _tuple(1), "TUPLE2": _tuple(2), "TUPLE3": _tuple(3),
    "TUPLE": _marked_tuple, "LIST": _marked_list, "DICT": _marked_dict, "FROZENSET": _marked_list,
    "EMPTY_LIST": lambda m, op: m.stack.append([]), "EMPTY_SET": lambda m, op: m.stack.append([]),
    "EMPTY_DICT": lambda m, op: m.stack.append(Table()),
    "PUT": _put, "BINPUT": _put, "LONG_BINPUT": _put, "MEMOIZE": _memoize,
    "GET": _get, "BINGET": _get, "LONG_BINGET": _get,
    "PROTO": _proto, "FRAME": _nothing, "NEXT_BUFFER": _buffer, "READONLY_BUFFER": _nothing,
}  # fmt: skip

# ---- operations that put entries into containers


def _append(m: _Machine, op: Op) -> Iterator[Event]:
    items = [m.pop()] if op.name == "APPEND" else m.pop_mark()
    target = m.top()
    if isinstance(target, list):
        if not m.frozen:
            target.extend(items[: max(_KEEP - len(target), 0)])
    else:
        yield Changed(target, op.offset, op.name)


def _set_items(m: _Machine, op: Op) -> Iterator[Event]:
    items = [m.pop(), m.pop()][::-1] if op.name == "SETITEM" else m.pop_mark()
    target = m.top()
    if isinstance(target, Table):
        for key, value in zip(items[::2], items[1::2], strict=False):
            if not m.frozen:
                _enter(target, key, value)
    else:
        yield Changed(target, op.offset, op.name)


# ---- operations that act


def _imported(m: _Machine, module: Any, name: Any, offset: int) -> Iterator[Event]:
    if isinstance(module, str) and isinstance(name, str):
        ref = Ref(module, name)
        m.stack.append(ref)
        yield Imported(ref, offset)
    else:
        m.stack.append(Unknown())
        yield Computed(offset)


def _global(m: _Machine, op: Op) -> Iterator[Event]:
    module, name = op.arg
    yield from _imported(m, module, name, op.offset)


def _stack_global(m: _Machine, op: Op) -> Iterator[Event]:
    name, module = m.pop(), m.pop()
    yield from _imported(m, module, name, op.offset)


def _call(m: _Machine, func: Any, args: Any, op: Op) -> Iterator[Event]:
    m.stack.append(Made(func, args))
    yield Called(func, args, op.offset, op.name)


def _reduce(m: _Machine, op: Op) -> Iterator[Event]:
    args, func = m.pop(), m.pop()
    yield from _call(m, func, args, op)


def _newobj_ex(m: _Machine, op: Op) -> Iterator[Event]:
    kwargs, args, cls = m.pop(), m.pop(), m.pop()
    yield from _call(m, cls, (args, kwargs), op)


def _inst(m: _Machine, op: Op) -> Iterator[Event]:
    args = m.pop_mark()
    module, name = op.arg
    yield from _imported(m, module, name, op.offset)
    yield from _call(m, m.pop(), tuple(args), op)


def _obj(m: _Machine, op: Op) -> Iterator[Event]:
    args = m.pop_mark()
    if not args:
        raise _StackError
    yield from _call(m, args[0], tuple(args[1:]), op)


def _build(m: _Machine, op: Op) -> Iterator[Event]:
    state = m.pop()
    target = m.top()
    if isinstance(target, Made) and not m.frozen:
        target.state = state
    yield Built(target, state, op.offset)
    if isinstance(target, Made) and _is_array_wrapper(target):
        yield from _array(m, state)


def _persistent(m: _Machine, op: Op) -> Iterator[Event]:
    id_ = op.arg if op.name == "PERSID" else m.pop()
    m.stack.append(Unknown())
    yield Persistent(id_, op.offset)


def _extension(m: _Machine, op: Op) -> Iterator[Event]:
    m.stack.append(Unknown())
    yield Extension(op.arg, op.offset)


_ACTING: dict[str, Callable[[_Machine, Op], Iterator[Event]]] = {
    "APPEND": _append, "APPENDS": _append, "ADDITEMS": _append, "SETITEM": _set_items, "SETITEMS": _set_items,
    "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "REDUCE": _reduce, "NEWOBJ": _reduce, "NEWOBJ_EX": _newobj_ex,
    "INST": _inst, "OBJ": _obj, "BUILD": _build, "PERSID": _persistent, "BINPERSID": _persistent,
    "EXT1": _extension, "EXT2": _extension, "EXT4": _extension,
}  # fmt: skip

# ---- joblib puts the bytes of an array behind the object that describes it

_ARRAY_WRAPPERS = (
    Ref("joblib.numpy_pickle", "NumpyArrayWrapper"),
    Ref("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
)
_RECONSTRUCTORS = (Ref("copyreg", "_reconstructor"), Ref("copy_reg", "_reconstructor"))


def _is_array_wrapper(made: Made) -> bool:
    func = made.func
    if isinstance(func, Ref) and func in _RECONSTRUCTORS and isinstance(made.args, tuple) and made.args:
        func = made.args[0]
    return isinstance(func, Ref) and func in _ARRAY_WRAPPERS


def _array(m: _Machine, state: Any) -> Iterator[Event]:
    """Step over the bytes as joblib does; they are told as data, since other loaders go on reading them."""
    width = _width(state.get("dtype")) if isinstance(state, Table) else None
    shape = state.get("shape") if isinstance(state, Table) else None
    if width is None or not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise BrokenPickleError(m.source.at, "an array of joblib without a size")
    if width == 0:  # of objects: a pickle of its own, in the same place
        for event in _Machine(m.source, m.most - m.count).run():
            if not isinstance(event, Ended):
                yield event
            elif event.broken:
                raise BrokenPickleError(event.at, event.broken)
        return
    total = width
    for extent in shape:
        total *= extent
    if state.get("numpy_array_alignment_bytes") is not None:
        m.source.skip(m.source.take(1)[0])
    if total > m.source.left:
        raise BrokenPickleError(m.source.at, "an array of joblib is longer than the file")
    yield Data(Blob(m.source.at, total), m.source.at)
    yield from _otherwise(m)
    m.source.skip(total)


def _otherwise(m: _Machine) -> Iterator[Event]:
    """What a loader that knows nothing of joblib would do with the bytes of an array: take them for operations.

    Numbers break off at once; what calls something by its name was put there on purpose.
    """
    fork = _Machine(m.source.fork(), _MOST_OTHERWISE)
    fork.stack, fork.marks, fork.frozen = [*m.stack], [[*items] for items in m.marks], True
    fork.memo = ChainMap({}, m.memo)
    events = [event for event in fork.run() if not isinstance(event, Ended)]
    m.source.skip(0)
    if any(isinstance(event, Called) and _is_name(event.func) for event in events):
        yield from events


def _is_name(func: Any) -> bool:
    return isinstance(func, Ref) and f"{func.module}.{func.name}".replace(".", "").isidentifier()


def _width(dtype: Any, depth: int = 0) -> int | None:
    """Bytes of one element of a pickled dtype; 0 when elements are objects, None when it is not understood."""
    if not isinstance(dtype, Made) or not isinstance(dtype.args, tuple) or not dtype.args or depth > 8:
        return None
    code = dtype.args[0]
    if not isinstance(code, str) or not code[1:].isdecimal() or len(code) > 20:
        return None
    if code[0] in "O":
        return 0
    if code[0] == "V" and isinstance(dtype.state, tuple):
        fields = dtype.state[4] if len(dtype.state) > 4 else None
        if isinstance(fields, Table) and any(
            _width(part[0], depth + 1) == 0 for _, part in fields.pairs if isinstance(part, tuple) and part
        ):
            return 0
    return int(code[1:]) * (4 if code[0] == "U" else 1)


def read_pickle(stream: BinaryIO, start: int, size: int, *, most: int = 10_000_000) -> Iterator[Event]:
    """What the pickle at `start` would do, event by event; the last event is `Ended`.

    Args:
        stream: seekable; nobody else moves it meanwhile.
        start: where the pickle begins.
        size: of the stream.
        most: operations that are read.
    """
    return _Machine(Operations(stream, start, size), most).run()
