"""Python source as a syntax tree, within limits: parsed, never compiled, never run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from mithridate.core.errors import ItemError

__all__ = ["aliases", "dotted", "outer_nodes", "parse_python", "spelled"]

#: A syntax tree takes some hundred times the memory of its source.
_MOST = 4 << 20


def parse_python(source: bytes, where: str) -> ast.Module:
    """Parse source.

    Args:
        source: UTF-8, or in the encoding that it declares.
        where: the item, for messages.

    Raises:
        ItemError: longer than 4 MiB, nested too deeply, or no Python of this interpreter's version.
    """
    if len(source) > _MOST:
        raise ItemError(where, f"source of {len(source):,} bytes, more than the {_MOST:,} that are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise ItemError(where, f"no Python that can be read ({str(error)[:120]})") from error
    except (RecursionError, MemoryError) as error:
        raise ItemError(where, "Python nested too deeply") from error


def dotted(node: ast.AST) -> str:
    """The full name, a.b.c, of a name or attribute; "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def aliases(tree: ast.AST) -> dict[str, str]:
    """What imported names stand for, wherever they are imported: {"sp": "subprocess", "run": "subprocess.run"}."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                found[name.asname or name.name.partition(".")[0]] = (
                    name.name if name.asname else name.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for name in node.names:
                found[name.asname or name.name] = f"{node.module}.{name.name}"
    return found


def spelled(call: ast.Call, names: dict[str, str]) -> str:
    """The full name of what is called, as far as it can be told: through aliases, getattr and `__import__`."""
    function = call.func
    name = dotted(function)
    if name:
        root, dot, rest = name.partition(".")
        return f"{names.get(root, root)}{dot}{rest}"
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call):
        return f"{_imported(function.value, names)}.{function.attr}".lstrip(".")
    if isinstance(function, ast.Call) and spelled(function, names) == "getattr" and len(function.args) > 1:
        whole, part = function.args[:2]
        base = (
            _imported(whole, names)
            if isinstance(whole, ast.Call)
            else names.get(dotted(whole), dotted(whole))
        )
        return f"{base}.{part.value!s}" if isinstance(part, ast.Constant) else f"{base}.?"
    return ""


def _imported(call: ast.Call, names: dict[str, str]) -> str:
    """The module that `__import__("x")` or `importlib.import_module("x")` gives."""
    wanted = spelled(call, names) in ("__import__", "importlib.import_module") and call.args
    first = call.args[0] if wanted else None
    return str(first.value) if isinstance(first, ast.Constant) else ""


def outer_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when the module is imported: bodies of functions left out, those of functions it calls included."""
    functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
    entered: set[str] = set()
    rest: list[ast.AST] = [node for node in tree.body if not _is_main(node)]
    while rest:
        node = rest.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
            rest += [*defaults, *getattr(node, "decorator_list", [])]
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called = functions.get(node.func.id)
            if called is not None and called.name not in entered:
                entered.add(called.name)
                rest += called.body
        rest += ast.iter_child_nodes(node)


def _is_main(node: ast.AST) -> bool:
    """Whether it is what a file does only when it is run itself."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and dotted(node.test.left) == "__name__"
    )
