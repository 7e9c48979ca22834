"""The code of a TorchScript archive: what runs when it is loaded, what touches files, what is hung before a layer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.members import open_members
from mithridate.models.files.operators import FILE_OPERATORS, TORCH_NAMESPACES
from mithridate.models.files.python_text import dotted, parse_python

__all__ = ["TorchscriptCode"]

_MOST_FILE, _MOST_ALL, _MOST_FILES = 4 << 20, 32 << 20, 5_000
_HOOKS = frozenset({"__forward_hooks__", "__forward_pre_hooks__"})
_CLASSES = re.compile(r"__torch__\.torch\.classes\.(\w+)")
_KNOWN_CLASSES = frozenset(
    {"quantized", "sparse", "xnnpack", "mkldnn", "rnn", "_nnapi", "torchaudio", "torchvision"}
)
#: What a `__setstate__` may call: packing of quantised weights, tests of types and versions, empty tensors.
_PLAIN_TEXT = (
    "eq ne lt le gt ge __is__ __isnot__ __not__ __and__ __or__ __contains__ len size dim format append select "
    "slice add sub dtype device to zeros ones empty tensor list dict str int float bool contiguous detach clone "
    "keys values items unsqueeze"
)
_PLAIN = re.compile(
    rf"torch\.(?:{'|'.join(_PLAIN_TEXT.split())})|ops\.quantized\.\w*prepack\w*|ops\.prim\.(?!Python|Ignored)\w+"
    r"|annotate|unchecked_cast|uninitialized|range|bool|int|float|str|isinstance|self\.\w+"
)


@artifact_check(
    Card(
        id="torchscript-code",
        title="TorchScript that acts while it is loaded, or on files",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="the code of a network computes with tensors and touches no files; loading only restores tensors",
        catches=None,
        misses="branches that depend on the input, which are the graph's; custom operators, whose library is elsewhere",
        effect="none",
        cites="PyTorch, SECURITY.md, section Untrusted models (2024); torch/csrc/jit/docs/serialization.md (2019)",
        remedy="Do not load it with torch.jit.load; ask for the weights alone and build the network from known code.",
        graded=True,
        reads_order=False,
    )
)
class TorchscriptCode(ArtifactCheck):
    """Parses `code/**.py` of the archive; nothing is compiled or run."""

    kinds = frozenset({"torchscript"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what the code does beyond computing.

        Raises:
            ItemError: no archive that can be read, or too much code.
        """
        with open_members(item) as members:
            names = [name for name in members.under("code/") if name.endswith(".py")]
            left = _MOST_ALL
            if len(names) > _MOST_FILES:
                raise ItemError(item.name, f"more than {_MOST_FILES:,} files of code")
            for name in names:
                try:
                    source = members.read(name, min(_MOST_FILE, left))
                    left -= len(source)
                    tree = parse_python(source, f"{item.name}!{name}")
                except ItemError as error:
                    yield self.skipped(
                        item, f"{name}: {error.reason}", "Read this code before you load the model."
                    )
                    continue
                yield from self._file(item, name, tree, source)

    def _file(self, item: Item, name: str, tree: ast.Module, source: bytes) -> Iterator[Finding]:
        for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
            yield from self._call(item, name, call)
        for kind in sorted(set(_CLASSES.findall(source.decode("utf-8", "replace"))) - _KNOWN_CLASSES):
            message = (
                f"{name} uses objects of the library {kind!r}: loading needs machine code that is not here"
            )
            yield self.found(
                item, Severity.SUSPICIOUS, message, rule="CUSTOM_CLASS", member=name, library=kind
            )
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom) and not _is_own(node):
                message = f"{name}, line {node.lineno}, imports a module of Python: this is no TorchScript"
                yield self.found(item, Severity.SUSPICIOUS, message, rule="FOREIGN_CODE", member=name)
            elif isinstance(node, ast.ClassDef):
                yield from self._class(item, name, node)

    def _call(self, item: Item, name: str, call: ast.Call) -> Iterator[Finding]:
        called = dotted(call.func)
        space, operator = _operator(called)
        if f"{space}::{operator}" in FILE_OPERATORS:
            message = f"{name}, line {call.lineno}, calls {called}: the network reads or writes files, or runs Python"
            yield self.found(item, Severity.LIKELY, message, rule="FILE_OPERATOR", member=name, call=called)
        elif space not in TORCH_NAMESPACES and space:
            message = f"{name}, line {call.lineno}, calls {called}: an operator of a library that is not here"
            yield self.found(
                item, Severity.SUSPICIOUS, message, rule="CUSTOM_OPERATOR", member=name, call=called
            )

    def _class(self, item: Item, name: str, node: ast.ClassDef) -> Iterator[Finding]:
        for statement in node.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            hooks = {dotted(t) for t in targets} & _HOOKS
            if hooks and isinstance(statement, ast.Assign) and getattr(statement.value, "elts", None):
                message = (
                    f"{name}: {node.name} has {hooks.pop().strip('_')}, which run beside the layer unseen"
                )
                yield self.found(item, Severity.SUSPICIOUS, message, rule="FORWARD_HOOK", member=name)
        odd = sorted(_odd_calls(node))
        if odd:
            message = f"{name}: {node.name}.__setstate__ computes while the model is loaded ({', '.join(odd)[:120]})"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="SETSTATE_COMPUTES", member=name)


def _is_own(node: ast.Import | ast.ImportFrom) -> bool:
    """Archives of PyTorch before 1.4 import their own modules."""
    return isinstance(node, ast.Import) and all(n.name.split(".")[0] == "__torch__" for n in node.names)


def _operator(called: str) -> tuple[str, str]:
    """(namespace, name) of an operator; ("", "") for what is none."""
    parts = called.split(".")
    if parts[0] == "ops" and len(parts) >= 3:
        return parts[1], parts[2]
    return ("aten", parts[1]) if parts[0] == "torch" and len(parts) == 2 else ("", "")


def _odd_calls(node: ast.ClassDef) -> set[str]:
    """What `__setstate__` and the methods it calls do beyond putting tensors in their places."""
    methods = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef)}
    rest, seen, odd = ["__setstate__"], set[str](), set[str]()
    while rest:
        method = methods.get(name := rest.pop())
        if method is None or name in seen:
            continue
        seen.add(name)
        for call in (n for n in ast.walk(method) if isinstance(n, ast.Call)):
            called = dotted(call.func)
            own = re.fullmatch(rf"{re.escape(_self(method))}\.(\w+)", called)
            if own:
                rest.append(own[1])
            if not own and not _PLAIN.fullmatch(called):
                odd.add(called or "a computed call")
    return odd


def _self(method: ast.FunctionDef) -> str:
    return method.args.args[0].arg if method.args.args else "self"
