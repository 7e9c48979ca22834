"""A .pt2 archive: pickles that loading trusts, machine code, and what its graph calls by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.jsons import read_json, walk_json
from mithridate.models.files.members import Members, open_members
from mithridate.models.files.operators import FILE_OPERATORS, TORCH_NAMESPACES
from mithridate.models.files.roots import is_dangerous
from mithridate.models.files.size_expressions import judge_expression

__all__ = ["Pt2Program"]

_MOST_JSON = 64 << 20
_MOST = 20
_CONFIG = re.compile(r"(?:^|/)data/(?:weights|constants)/[^/]*config\.json$")
_GRAPH = re.compile(r"(?:^|/)(?:models/[^/]+\.json|serialized_exported_program\.json)$")
_NATIVE = re.compile(r"(?i)\.(?:so|dll|dylib|pyd|o|a|cubin|ptx|fatbin|hsaco|cpp|cc|cu|exe|sh|py)(?:\.\d+)*$")
_FACTORIES = frozenset(
    f"builtins.{kind}" for kind in ("list", "dict", "set", "tuple", "int", "float", "str", "bool")
)
_DATA = ("/", ".json", ".txt", ".bin")
_OBJECT = re.compile(r"(?:^|/)data/constants/(custom_obj_|opaque_obj_)[^/]*$")
#: Names that torch resolves and calls: an operator, or arithmetic on sizes.
_SIZES = re.compile(r"torch\._?sym_\w+(?:\.\w+)?|_operator\.[a-z]\w*|math\.[a-z]\w*")
_OPERATOR = re.compile(r"torch\.ops\.(\w+)\.(\w+)(?:\.(\w+))?")
#: Higher-order operators that call what the graph level cannot see.
_OPAQUE = frozenset(
    {
        "call_torchbind",
        "triton_kernel_wrapper_functional",
        "triton_kernel_wrapper_mutation",
        "aoti_call_delegate",
    }
)


@artifact_check(
    Card(
        id="pt2-program",
        title="pickles, machine code or foreign calls in an exported program",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="an exported program is a graph of torch's operators and raw tensors",
        catches=None,
        misses="branches that depend on the input, which are the graph's; what pickles hold, which other checks tell",
        effect="none",
        cites="PyTorch, torch.export.pt2_archive (2025), _package.py; PyTorch, issue 153410 (2025)",
        remedy="Do not load it with torch.export.load; export the model again from weights and code that you trust.",
        graded=True,
        reads_order=False,
    )
)
class Pt2Program(ArtifactCheck):
    """Reads the JSON members and the list of names."""

    kinds = frozenset({"pt2"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what loading or running would trust.

        Raises:
            ItemError: no archive that can be read.
        """
        with open_members(item) as members:
            yield from self._names(item, members)
            for name in [n for n in members.sizes if _CONFIG.search(n) or _GRAPH.search(n)]:
                try:
                    value, _ = read_json(members.read(name, _MOST_JSON), f"{item.name}!{name}")
                    judge = self._config if _CONFIG.search(name) else self._graph
                    yield from judge(item, name, value)
                except (ItemError, ValueError) as error:
                    reason = error.reason if isinstance(error, ItemError) else str(error)
                    yield self.skipped(item, f"{name}: {reason}", "Export the model again.")

    def _names(self, item: Item, members: Members) -> Iterator[Finding]:
        compiled = [n for n in members.under("data/aotinductor/") if not n.endswith(_DATA)]
        native = dict.fromkeys([*compiled, *(n for n in members.sizes if _NATIVE.search(n))])
        for name in list(native)[:_MOST]:
            message = f"{name} is code that the loader compiles or hands to the system to run"
            yield self.found(item, Severity.LIKELY, message, rule="NATIVE_CODE", member=name)
        for name in members.sizes:
            match = _OBJECT.search(name)
            if match:
                what = (
                    "an unguarded pickle" if match[1] == "opaque_obj_" else "an object of a library, pickled"
                )
                message = f"{name} is {what} that loading restores"
                yield self.found(item, Severity.SUSPICIOUS, message, rule="PICKLED_OBJECT", member=name)

    def _config(self, item: Item, name: str, value: Any) -> Iterator[Finding]:
        entries = value.get("config") if isinstance(value, dict) else None
        if not isinstance(entries, dict):
            raise ItemError(item.name, "no table of tensors")
        bad = [
            (key, e)
            for key, e in entries.items()
            if isinstance(e, dict) and (e.get("use_pickle") or _escapes(e))
        ]
        for key, entry in bad[:_MOST]:
            if _escapes(entry):
                message = (
                    f"{name}: {key[:80]!r} lies at {str(entry['path_name'])[:80]!r}, outside of its folder"
                )
                yield self.found(
                    item, Severity.LIKELY, message, rule="PATH_ESCAPE", member=name, tensor=key[:200]
                )
            else:
                message = f"{name}: {key[:80]!r} is a pickle that torch.export.load reads without a guard"
                yield self.found(
                    item, Severity.SUSPICIOUS, message, rule="USE_PICKLE", member=name, tensor=key[:200]
                )

    def _graph(self, item: Item, name: str, value: Any) -> Iterator[Finding]:
        targets: dict[str, None] = {}
        expressions: dict[str, None] = {}
        imports: set[str] = set()
        for _, key, part in walk_json(value, frozenset({"metadata"})):
            if key in ("target", "expr_str", "guards_code") and isinstance(part, str):
                (targets if key == "target" else expressions)[part] = None
            elif key in ("in_spec", "out_spec") and isinstance(part, str):
                imports |= _imported(part, item.name)
        yield from self._expressions(item, name, expressions)
        for module in sorted(imports)[:_MOST]:
            severity = Severity.LIKELY if is_dangerous(module) else Severity.SUSPICIOUS
            message = f"{name}: a container of inputs or outputs imports {module[:80]!r} while it is loaded"
            yield self.found(item, severity, message, rule="SPEC_IMPORT", member=name, module=module[:200])
        told = 0
        for target in targets:
            for severity, rule, meaning in _judge(target):
                told += 1
                if told <= _MOST:
                    message = f"{name} calls {target[:120]!r}: {meaning}"
                    yield self.found(item, severity, message, rule=rule, member=name, target=target[:200])

    def _expressions(self, item: Item, name: str, expressions: Iterable[str]) -> Iterator[Finding]:
        told = 0
        for expression in expressions:
            judged = judge_expression(expression, item.name)
            if judged is not None and told < _MOST:
                told += 1
                severity = Severity.LIKELY if judged[0] == "alarm" else Severity.SUSPICIOUS
                message = f"{name}: {expression[:120]!r} is evaluated as Python and is no arithmetic ({judged[1][:60]})"
                yield self.found(
                    item, severity, message, rule="SIZE_EXPRESSION", member=name, text=expression[:200]
                )


def _escapes(entry: dict[str, Any]) -> bool:
    path = entry.get("path_name")
    return isinstance(path, str) and ("/" in path or "\\" in path or ".." in path)


def _judge(target: str) -> Iterator[tuple[Severity, str, str]]:
    operator = _OPERATOR.fullmatch(target)
    if operator and not _is_internal(*operator.groups()):
        space, name, _ = operator.groups()
        if f"{space}::{name}" in FILE_OPERATORS:
            yield Severity.LIKELY, "FILE_OPERATOR", "the network reads or writes files, or runs Python"
        elif space == "higher_order" and name in _OPAQUE:
            yield Severity.SUSPICIOUS, "OPAQUE_CALL", "it runs code that the graph does not show"
        elif space not in TORCH_NAMESPACES:
            yield Severity.SUSPICIOUS, "CUSTOM_OPERATOR", "an operator of a library that is not here"
    elif target.startswith("#"):
        yield Severity.SUSPICIOUS, "CUSTOM_OPERATOR", "an operator of an extension that is not here"
    elif not _SIZES.fullmatch(target) and target.startswith(("torch", "_operator", "math")):
        yield Severity.LIKELY, "FOREIGN_CALL", "torch looks this name up and calls it, and it is no operator"
    elif not _SIZES.fullmatch(target):
        yield Severity.SUSPICIOUS, "UNKNOWN_CALL", "this is no operator of torch"


def _is_internal(space: str, name: str, overload: str | None) -> bool:
    """Whether a name reaches for Python's internals; aten.__and__.Tensor does not."""
    return space.startswith("__") or (overload or name).startswith("__")


def _imported(spec: str, where: str) -> set[str]:
    """What loading a specification of containers imports (`torch.utils._pytree`), ordinary factories left out."""
    found: set[str] = set()
    texts = [spec]
    while texts and len(found) < _MOST:
        try:
            value, _ = read_json(texts.pop(), where)
        except ItemError:
            continue  # a plain text; as a specification, it does not load either
        for _, key, part in walk_json(value):
            if key == "context" and isinstance(part, str):
                texts.append(part)  # JSON within JSON
            elif isinstance(part, dict) and "default_factory_module" in part:
                found.add(f"{part['default_factory_module']}.{part.get('default_factory_name')}")
            elif isinstance(part, dict) and "__enum__" in part:
                found.add(str(part.get("fqn")))
    return found - _FACTORIES
