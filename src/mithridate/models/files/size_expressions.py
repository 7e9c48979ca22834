"""Expressions on sizes that a .pt2 archive holds as text, and that loading evaluates as Python.

`torch.export.load` gives `expr_str` to `sympy.sympify`, which is `eval`; `ExportedProgram.module()` puts
`guards_code` into a function by `exec` (torch 2.13, `_export/serde/serialize.py`, `export/_unlift.py`). Honest ones
are arithmetic.
"""

from __future__ import annotations

import ast
from typing import Literal

from mithridate.core.errors import ItemError
from mithridate.models.files.python_text import parse_python

__all__ = ["judge_expression"]

_MOST = 1 << 16
_FUNCTIONS_TEXT = (
    "Symbol Integer Float Rational Add Mul Pow Max Min Mod PythonMod FloorDiv CeilDiv ModularIndexing Where "
    "CleanDiv CeilToInt FloorToInt TruncToInt TruncToFloat RoundToInt RoundDecimal ToFloat LShift RShift "
    "PowByNatural FloatPow FloatTrueDiv IntTrueDiv IsNonOverlappingAndDenseIndicator Identity Eq Ne Lt Le Gt Ge "
    "Equality Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan And Or Not Xor Piecewise "
    "ExprCondPair Abs floor ceiling sign sqrt log exp sin cos tan BitwiseFn_bitwise_and BitwiseFn_bitwise_or "
    "BitwiseFn_bitwise_xor max min abs len int float bool round sum trunc cast_symbool_to_symint_guardless "
    "sym_int sym_float sym_max sym_min sym_not"
)
_FUNCTIONS = frozenset(_FUNCTIONS_TEXT.split())
#: What guards ask of an input.
_ASKED_TEXT = (
    "size shape dim ndim stride storage_offset numel is_contiguous dtype device layout type index is_sparse "
    "requires_grad ceil floor trunc sqrt inf pi pow log log2 exp is_integer item sym_int sym_float sym_max "
    "sym_min sym_not"
)
_ASKED = frozenset(_ASKED_TEXT.split())
_PLAIN = (
    ast.Expression, ast.Expr, ast.Module, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple,
    ast.List, ast.Subscript, ast.Slice, ast.keyword, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip


def judge_expression(text: str, where: str) -> tuple[Literal["alarm", "odd"], str] | None:
    """What an expression does beyond arithmetic.

    Args:
        text: as in the file.
        where: the item, for messages.

    Returns:
        None for arithmetic; "odd" for what is not known; "alarm" for what reaches for Python, with the place.
    """
    if len(text) > _MOST:
        return "odd", f"{len(text):,} characters"
    try:
        tree = parse_python(text.encode("utf-8", "replace"), where)
    except ItemError:
        return "odd", "no expression that can be read"
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return "alarm", "statements in place of an expression"
    odd: tuple[Literal["alarm", "odd"], str] | None = None
    for node in ast.walk(tree):
        found = _judge(node)
        if found is not None and found[0] == "alarm":
            return found
        odd = odd or found
    return odd


def _judge(node: ast.AST) -> tuple[Literal["alarm", "odd"], str] | None:
    if isinstance(node, ast.Constant):
        return ("alarm", "a text") if isinstance(node.value, str) and not node.value.isidentifier() else None
    if isinstance(node, ast.Name):
        return ("alarm", node.id) if "__" in node.id else None
    if isinstance(node, ast.Attribute):
        return None if node.attr in _ASKED else ("alarm", f".{node.attr}")
    if isinstance(node, ast.Call):
        named = node.func.id if isinstance(node.func, ast.Name) else ""
        known = (
            named in _FUNCTIONS or named.startswith("OpaqueUnaryFn_") or isinstance(node.func, ast.Attribute)
        )
        return None if known else ("alarm", f"a call of {named or 'something computed'}")
    return None if isinstance(node, _PLAIN) else ("odd", type(node).__name__)
