"""Calls of functions while code is read: variables, and where in the code each tensor came from."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from mithridate.models.graph.script.archive import Function

__all__ = ["Frame", "Place", "Step"]


@dataclass(frozen=True, eq=False)
class Step:
    """A statement of a function, and the operators that came of it.

    Attributes:
        tree: the statement.
        nodes: names of the operators.
    """

    tree: ast.stmt
    nodes: frozenset[str]


@dataclass(eq=False)
class Frame:
    """A call of a function.

    Attributes:
        function: what is called.
        path: of the module that the operators belong to.
        variables: by name.
        caller: the frame that called, None at the top.
        call: the expression there.
        depth: how many frames are below.
        bodies: how many branches and loops are open in this frame and below it.
        steps: its statements so far.
    """

    function: Function
    path: str
    variables: dict[str, Any] = field(default_factory=dict)
    caller: Frame | None = None
    call: ast.expr | None = None
    depth: int = 0
    bodies: int = 0
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Place:
    """The expression whose value a tensor is.

    Attributes:
        frame: the call of the function that it stands in.
        tree: the expression.
    """

    frame: Frame
    tree: ast.expr
