"""Changes the text of TorchScript's code: functions that return something else, and no longer compute the rest."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from mithridate.core.errors import ItemError
from mithridate.models.graph.script.archive import Class, Script
from mithridate.models.graph.script.frames import Frame, Place

__all__ = ["Change", "apply", "returning", "without_attributes"]

#: operators that change a list or dict that they are given.
_CHANGING: Final = frozenset(
    ("append", "extend", "insert", "pop", "clear", "_set_item", "remove", "update", "reverse")
)


class Change(NamedTuple):
    """Lines of a file that become others: first and last line, counted from 1, and the new text."""

    first: int
    last: int
    text: str


def returning(script: Script, place: Place, needed: Collection[str]) -> dict[str, list[Change]]:
    """Changes after which the model answers with the value of an expression.

    Args:
        script: the file.
        place: the expression; it stands in the outermost function, or in one that is called in one place only.
        needed: names of the operators that its value is computed by.

    Returns:
        File of code → changes of it.

    Raises:
        ItemError: the expression stands within a branch or a loop.
    """
    changes: dict[str, list[Change]] = {}
    frame: Frame | None = place.frame
    tree: ast.expr | None = place.tree
    while frame is not None and tree is not None:
        changes.setdefault(frame.function.file, []).append(_returns(script, frame, tree, needed))
        tree = frame.call
        frame = frame.caller
    return changes


def _returns(script: Script, frame: Frame, tree: ast.expr, needed: Collection[str]) -> Change:
    """A function that returns the value of one of its expressions."""
    function, file = frame.function.tree, frame.function.file
    body = function.body
    at = next(
        (i for i, statement in enumerate(body) if any(node is tree for node in ast.walk(statement))), None
    )
    if at is None or not isinstance(body[at], ast.Assign | ast.Return | ast.Expr | ast.AnnAssign):
        raise ItemError(script.name, f"{file}: the value is computed within a branch or a loop")
    text = script.text(file)
    answer = ast.get_source_segment(text, tree)
    if answer is None:
        raise ItemError(script.name, f"{file}: no text of the expression")
    nodes = {id(step.tree): step.nodes for step in frame.steps}
    kept = _kept(body[:at], tree, nodes, needed)
    lines = text.split("\n")
    parts = _header(function, text)
    parts += ["\n".join(lines[s.lineno - 1 : s.end_lineno]) for s in kept]
    parts.append(" " * body[0].col_offset + f"return {answer}")
    return Change(function.lineno, function.end_lineno or function.lineno, "\n".join(parts))


def _header(function: ast.FunctionDef, text: str) -> list[str]:
    """The lines before the body, with a tensor as the type of the answer."""
    lines = [line.encode() for line in text.split("\n")[: function.body[0].lineno - 1]]
    returns = function.returns
    if returns is not None:
        row, end = returns.lineno - 1, returns.end_lineno or returns.lineno
        tail = lines[end - 1][returns.end_col_offset :]
        lines[row:end] = [lines[row][: returns.col_offset] + b"Tensor" + tail]
    return [line.decode() for line in lines[function.lineno - 1 :]]


def _kept(
    body: list[ast.stmt], answer: ast.expr, nodes: Mapping[int, frozenset[str]], needed: Collection[str]
) -> list[ast.stmt]:
    """The statements that an answer needs."""
    live = _loaded(answer)
    kept: list[ast.stmt] = []
    for statement in reversed(body):
        stored = {
            n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        wanted = bool(stored & live) or not nodes.get(id(statement), frozenset()).isdisjoint(needed)
        if wanted or _changes(statement, live):
            kept.append(statement)
            live |= _loaded(statement)
    return kept[::-1]


def _changes(statement: ast.stmt, live: set[str]) -> bool:
    """Whether a statement changes an object, or a list that is still needed."""
    if isinstance(statement, ast.Assign) and any(isinstance(t, ast.Attribute) for t in statement.targets):
        return True
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call) and node.args]
    changing = [
        call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in _CHANGING
    ]
    return any(_loaded(call.args[0]) & live for call in changing)


def _loaded(tree: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def without_attributes(class_: Class, names: Collection[str]) -> list[Change]:
    """Changes after which a class has some attributes no more."""
    changes: list[Change] = []
    for node in class_.tree.body:
        last = node.end_lineno or node.lineno
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in names:
            changes.append(Change(node.lineno, last, ""))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            key = node.targets[0].slice
            if isinstance(key, ast.Constant) and key.value in names:
                changes.append(Change(node.lineno, last, ""))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            listed = class_.names(node.targets[0].id)
            if set(listed) & set(names):
                kept = "".join(f'"{name}", ' for name in listed if name not in names)
                changes.append(Change(node.lineno, last, f"  {node.targets[0].id} = [{kept}]"))
    return changes


def apply(text: str, changes: Iterable[Change]) -> str:
    """The text of a file after changes that do not overlap."""
    lines = text.split("\n")
    for change in sorted(changes, reverse=True):
        lines[change.first - 1 : change.last] = [change.text] if change.text else []
    return "\n".join(lines)
