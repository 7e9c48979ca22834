"""Branches and loops of TorchScript: decided where the condition is known, else operators with bodies."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mithridate.core.errors import ItemError
from mithridate.models.graph.aten.bodies import Body, add_answer, put_if
from mithridate.models.graph.aten.values import HintError, Size, Tensor, Type, UncoveredError, flat
from mithridate.models.graph.ir import Graph, Value
from mithridate.models.graph.script.archive import Object, Unread
from mithridate.models.graph.script.frames import Frame

if TYPE_CHECKING:
    from mithridate.models.graph.script.reader import Reader

__all__ = ["Answer", "choose", "repeat", "run", "truth"]

_TURNS: Final = 20_000  # of one loop


@dataclass(frozen=True)
class Answer:
    """What a function returns."""

    value: Any


def run(reader: Reader, body: Sequence[ast.stmt], frame: Frame) -> Answer | None:
    """Carry out statements until one returns."""
    for tree in body:
        answer = reader.statement(tree, frame)
        if answer is not None:
            return answer
    return None


def truth(reader: Reader, value: Any) -> bool | None:
    """Whether a condition holds; None when only the running model knows."""
    if isinstance(value, Tensor):
        known = reader.b.value(value)
        return None if known is None or known.size != 1 else bool(known.item())
    return None if isinstance(value, Size | Unread) else bool(value)


def choose(reader: Reader, tree: ast.If, frame: Frame) -> Answer | None:
    """An if statement."""
    condition = reader.value(tree.test, frame)
    flag = truth(reader, condition)
    if flag is None:  # a way that ends in an error is not the way a model takes
        if _raises(tree.body):
            flag = False
        elif _raises(tree.orelse):
            flag = True
    if flag is not None:
        return run(reader, tree.body if flag else tree.orelse, frame)
    _Choice(reader, tree, frame, condition).put()
    return None


def _raises(body: Sequence[ast.stmt]) -> bool:
    calls = [s.value for s in body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
    return any(ast.unparse(call.func) == "ops.prim.RaiseException" for call in calls)


@dataclass(eq=False, kw_only=True)
class _Way(Body):
    """One way of an if, with the variables it leaves, the tensors it changes in place, and the lists."""

    variables: dict[str, Any]
    changed: dict[int, tuple[Tensor, str]]
    holders: list[Any]


class _Choice:
    """An if whose condition only the running model knows: an If with two bodies."""

    def __init__(self, reader: Reader, tree: ast.If, frame: Frame, condition: Any) -> None:
        self._reader, self._b, self._frame, self._tree = reader, reader.b, frame, tree
        self._condition = condition
        self._holders = _holders(frame.variables)
        self._contents = [_copy(holder) for holder in self._holders]

    def put(self) -> None:
        """Put the If into the graph and its answers into the variables."""
        ways = [self._way(body) for body in (self._tree.body, self._tree.orelse)]
        names = [n for n in dict.fromkeys(_assigned(self._tree)) if any(n in way.variables for way in ways)]
        missing = Unread("a variable without a value")
        merged: dict[str, Any] = {}
        for name in names:
            pair = [way.variables.get(name, missing) for way in ways]
            merged[name] = self._merged(pair, ways)
        filled = [self._merged([way.holders[i] for way in ways], ways) for i in range(len(self._holders))]
        changed = {key: tensor for way in ways for key, (tensor, _) in way.changed.items()}
        held: list[tuple[Tensor, int]] = []
        for key, tensor in changed.items():
            now = [Tensor(way.changed[key][1]) if key in way.changed else Tensor(tensor.name) for way in ways]
            held.append((tensor, add_answer(self._b, now, ways)))
        answers = put_if(self._b, self._condition, *ways)
        for name, value in merged.items():
            self._frame.variables[name] = _filled(value, answers)
        for holder, content in zip(self._holders, filled, strict=True):
            if isinstance(content, Unread):
                raise UncoveredError("a list that two ways change differently")
            _refill(holder, _filled(content, answers))
        for tensor, slot in held:
            self._b.assign(tensor, answers[slot])

    def _way(self, body: Sequence[ast.stmt]) -> _Way:
        before = dict(self._frame.variables)
        self._frame.bodies += 1
        try:
            with self._b.block() as (nodes, journal):
                if run(self._reader, body, self._frame) is not None:
                    raise ItemError(self._reader.script.name, "a return within an if is not read")
                variables = {
                    name: value for name, value in self._frame.variables.items()
                    if name not in before or before[name] is not value
                }  # fmt: skip
                # a box may be emptied again when the body ends: keep what lies in it now
                variables = {name: self._frozen(value) for name, value in variables.items()}
                held = [
                    self._frozen(_copy(holder), content)
                    for holder, content in zip(self._holders, self._contents, strict=True)
                ]
                made = {output for node in nodes for output in node.outputs}
                changed = {
                    key: (tensor, self._b.read(tensor))
                    for key, (tensor, old) in journal.items() if tensor.name != old and old not in made
                }  # fmt: skip
        finally:
            self._frame.bodies -= 1
            self._frame.variables = before
            for holder, content in zip(self._holders, self._contents, strict=True):
                _refill(holder, content)
        return _Way(nodes=nodes, variables=variables, changed=changed, holders=held)

    def _frozen(self, value: Any, old: Any = None) -> Any:
        """A value whose tensors stay what they are now; a holder that did not change stays itself."""
        if isinstance(value, Tensor):
            return Tensor(self._b.read(value))
        if old is not None and _unchanged(value, old):
            return old
        if isinstance(value, list | tuple):
            return type(value)(self._frozen(part) for part in value)
        return {k: self._frozen(v) for k, v in value.items()} if isinstance(value, dict) else value

    def _merged(self, pair: list[Any], ways: list[_Way]) -> Any:
        """One value for two ways: itself where both agree, the place of an answer where they differ."""
        left, right = pair
        if isinstance(left, Unread) or isinstance(right, Unread):
            known = right if isinstance(left, Unread) else left
            if not isinstance(known, Tensor | bool | int | float | Size):
                return known
            return _Slot(
                add_answer(self._b, [self._dummy(known) if isinstance(v, Unread) else v for v in pair], ways)
            )
        if isinstance(left, Tensor) and isinstance(right, Tensor) and left.name == right.name:
            return left
        numbers = bool | int | float | Size | Tensor
        if isinstance(left, numbers) and isinstance(right, numbers):
            if not isinstance(left, Tensor) and type(left) is type(right) and left == right:
                return left
            return _Slot(add_answer(self._b, pair, ways))
        if left is right:
            return left
        if isinstance(left, list | tuple) and type(left) is type(right) and len(left) == len(right):
            return type(left)(self._merged([a, b], ways) for a, b in zip(left, right, strict=True))
        if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
            return {key: self._merged([left[key], right[key]], ways) for key in left}
        if isinstance(left, str) and left == right:
            return left
        return Unread("either of two values, as the running model decides")

    def _dummy(self, like: Any) -> Any:
        return self._b.literal(np.zeros((), dtype=self._b.dtype(like)))


@dataclass(frozen=True)
class _Slot:
    """An answer of an If that is not made yet."""

    number: int


def _filled(value: Any, answers: Sequence[Tensor]) -> Any:
    if isinstance(value, _Slot):
        return answers[value.number]
    if isinstance(value, list | tuple):
        return type(value)(_filled(part, answers) for part in value)
    return {key: _filled(part, answers) for key, part in value.items()} if isinstance(value, dict) else value


def _holders(variables: Mapping[str, Any]) -> list[Any]:
    """The lists and dicts, attributes of objects included, that code could change."""
    found: dict[int, Any] = {}
    left = list(variables.values())
    while left:
        thing = left.pop()
        thing = thing.attributes if isinstance(thing, Object) else thing
        if isinstance(thing, list | dict) and id(thing) not in found:
            found[id(thing)] = thing
        elif not isinstance(thing, tuple):
            continue
        left.extend(thing.values() if isinstance(thing, dict) else thing)
    return list(found.values())


def _copy(holder: Any) -> Any:
    return dict(holder) if isinstance(holder, dict) else list(holder)


def _unchanged(value: Any, old: Any) -> bool:
    if isinstance(value, dict):
        return value.keys() == old.keys() and all(value[key] is old[key] for key in value)
    return len(value) == len(old) and all(a is b for a, b in zip(value, old, strict=True))


def _refill(holder: Any, content: Any) -> None:
    holder.clear()
    holder.update(content) if isinstance(content, dict) else holder.extend(content)


def _assigned(tree: ast.AST) -> list[str]:
    """Names that statements give a value."""
    return [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def repeat(reader: Reader, tree: ast.For | ast.While, frame: Frame) -> Answer | None:
    """A loop: unrolled where the number of turns is known, else a node "aten::Loop"."""
    if isinstance(tree, ast.While):
        for _ in range(_TURNS):
            flag = truth(reader, reader.value(tree.test, frame))
            if flag is None:
                break
            if not flag:
                return None
            answer = run(reader, tree.body, frame)
            if answer is not None:
                return answer
        else:
            raise ItemError(reader.script.name, f"a loop of more than {_TURNS:,} turns")
        _loop(reader, tree, frame)
        return None
    turns = _turns(reader, tree, frame)
    if turns is None:
        _loop(reader, tree, frame)
        return None
    for turn in turns:
        if isinstance(tree.target, ast.Name):
            frame.variables[tree.target.id] = turn
        answer = run(reader, tree.body, frame)
        if answer is not None:
            return answer
    return None


def _turns(reader: Reader, tree: ast.For, frame: Frame) -> Sequence[Any] | None:
    """The values that a loop goes through; None when only the running model knows."""
    if isinstance(tree.iter, ast.Call) and ast.unparse(tree.iter.func) == "range":
        bounds = [reader.value(argument, frame) for argument in tree.iter.args]
        bounds = [
            bound if reader.b.value(bound) is None else int(np.asarray(reader.b.value(bound)).item())
            for bound in bounds
        ]
        if not all(isinstance(bound, int) for bound in bounds):
            return None
        turns: Sequence[Any] = range(*bounds)
    else:
        values = reader.value(tree.iter, frame)
        if not isinstance(values, list | tuple):
            raise reader.unread(tree, frame)
        turns = values
    if len(turns) > _TURNS:
        raise ItemError(reader.script.name, f"a loop of more than {_TURNS:,} turns")
    return turns


def _loop(reader: Reader, tree: ast.For | ast.While, frame: Frame) -> None:
    """A loop as one operator: it reads what its code reads, and answers the variables that it changes.

    One turn of it is kept as a body, where it can be followed, so that what is inside can be looked at.
    """
    b = reader.b
    outer = [name for name in dict.fromkeys(_assigned(tree)) if name in frame.variables]
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    given = [frame.variables[name] for name in sorted(read) if name in frame.variables]
    holders = _holders(frame.variables)
    contents = [_copy(holder) for holder in holders]
    inputs = [b.tensor(thing) for thing in dict.fromkeys(flat(given))]
    body = _one_turn(reader, tree, frame, outer)
    changed = [
        holder for holder, content in zip(holders, contents, strict=True) if not _unchanged(holder, content)
    ]
    answers = b.emit_many("aten::Loop", inputs, max(len(outer) + len(changed), 1), body=body)
    for name, answer in zip(outer, answers, strict=False):
        frame.variables[name] = answer
    for holder, answer in zip(changed, answers[len(outer) :], strict=False):
        _refill(holder, dict.fromkeys(holder, answer) if isinstance(holder, dict) else [answer])


def _one_turn(reader: Reader, tree: ast.For | ast.While, frame: Frame, outer: Sequence[str]) -> Graph | None:
    b = reader.b
    before = dict(frame.variables)
    frame.bodies += 1
    inputs: dict[str, Value] = {}
    try:
        with b.block() as (nodes, _):
            names = [
                *outer,
                *(
                    [tree.target.id]
                    if isinstance(tree, ast.For) and isinstance(tree.target, ast.Name)
                    else []
                ),
            ]
            for name in names:
                value = before.get(name, 0)
                if isinstance(value, Tensor | int | float | Size):
                    fed = b.unique(f"{b.path}/Loop.{name}" if b.path else f"Loop.{name}")
                    dtype = b.dtype(value)
                    frame.variables[name] = b.set_type(
                        Tensor(fed), Type(None if isinstance(value, Tensor) else (), dtype)
                    )
                    inputs[fed] = Value(dtype=str(dtype))
            run(reader, tree.body, frame)
            ends = [frame.variables.get(name) for name in outer]
            outputs = {b.read(end): Value() for end in ends if isinstance(end, Tensor)}
        return Graph(
            name=f"{b.path or 'forward'}.loop",
            nodes=tuple(nodes),
            inputs=inputs,
            outputs=outputs,
            constants={},
        )
    except (ItemError, UncoveredError, HintError):
        return None
    finally:
        frame.bodies -= 1
        frame.variables = before
