"""The types that a skops file would make, read from its schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.jsons import read_json, walk_json
from mithridate.models.files.members import open_members
from mithridate.models.files.roots import is_dangerous

__all__ = ["SkopsTypes"]

_MOST_SCHEMA, _MOST, _LONG = 64 << 20, 30, 200
_NUMPY_TYPE = (
    r"numpy(?:\.\w+)?\.(?:u?int\d*|float\d*|complex\d*|bool_?|str_|bytes_|object_|datetime64|timedelta64|intc|intp|long"
    r"|longlong|dtype\w*|ndarray|matrix)"
)
_PLAIN = (
    r"builtins\.(?:str|int|float|bool|complex|bytes|bytearray|list|dict|set|frozenset|tuple|slice|NoneType|map|type"
    r"|object)"
)
#: For each loader of skops, the types that it may be asked for without a word.
_ALLOWED: dict[str, str] = {
    "ObjectNode": rf"sklearn\.[\w.]*\.?_?[A-Z]\w*|{_NUMPY_TYPE}|{_PLAIN}|collections\.(?:OrderedDict|Counter)"
    r"|scipy\.(?:interpolate|stats|sparse|spatial)[\w.]*\.\w+",
    "TreeNode": r"sklearn\.tree\._tree\.Tree",
    "LossNode": r"sklearn\.\w+\._\w+\.\w+|_loss\.Cy\w+",
    "QuantileForestNode": r"quantile_forest\.\w+\.QuantileForest",
    "ReduceNode": r"sklearn\.[\w.]+\.[A-Z]\w*",
    "ConstructorFromReduceNode": r"sklearn\.[\w.]+\.[A-Z]\w*",
    "DictNode": r"builtins\.dict|collections\.OrderedDict|sklearn\.utils\._bunch\.Bunch",
    "DefaultDictNode": r"collections\.defaultdict",
    "_DictWithDeprecatedKeysNode": r"sklearn\.covariance\._graph_lasso\._DictWithDeprecatedKeys",
    "ListNode": r"builtins\.list", "SetNode": r"builtins\.(?:frozen)?set",
    "TupleNode": r"builtins\.tuple|(?:sklearn|scipy|numpy)\.[\w.]+\.[A-Z]\w*",
    "BytesNode": r"builtins\.bytes", "BytearrayNode": r"builtins\.bytearray", "SliceNode": r"builtins\.slice",
    "JsonNode": r"builtins\.\w+",
    "TypeNode": rf"{_PLAIN}|{_NUMPY_TYPE}|sklearn\.[\w.]+\.[A-Z]\w*",
    "NdArrayNode": r"numpy(?:\.\w+)*\.\w+", "MaskedArrayNode": r"numpy\.ma(?:\.\w+)?\.MaskedArray",
    "DTypeNode": r"numpy(?:\.\w+)*\.\w+", "RandomStateNode": r"numpy\.random(?:\.\w+)*\.RandomState",
    "RandomGeneratorNode": r"numpy\.random(?:\.\w+)*\.(?:Generator|PCG64\w*|MT19937|Philox|SFC64)",
    "SparseMatrixNode": r"scipy\.sparse(?:\.\w+)*\.\w+",
    "FunctionNode": r"numpy\.(?:log\w*|exp\w*|sqrt|square|sin|cos|tan|abs|absolute|add|multiply|sign|tanh|cbrt)"
    r"|scipy\.special(?:\.\w+)*\.[a-z]\w*|scipy\._lib\.array_api_compat\.numpy\._aliases\.asarray"
    r"|sklearn\.(?:metrics|feature_selection|preprocessing|utils\.extmath)\.[\w.]+",
}  # fmt: skip
#: Types of libraries that are well known, and that skops leaves to the user.
_KNOWN = re.compile(
    r"(?:xgboost|lightgbm|catboost|pandas|imblearn|quantile_forest|polars|numpy|scipy|sklearn|zoneinfo|datetime)"
    r"\..*[A-Z]\w*"
)


@artifact_check(
    Card(
        id="skops-types",
        title="a type that a scikit-learn model has no use for",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="a scikit-learn model is made of scikit-learn's classes, arrays and plain values",
        catches=None,
        misses="parameters that make ordinary classes do harm; weights that hold a backdoor",
        effect="none",
        cites="skops, Secure persistence (2022); CVE-2025-54412; CVE-2025-54413; CVE-2025-54886",
        remedy="Do not put these types on the list of trusted ones; load with skops 0.13 or newer.",
        graded=True,
        reads_order=False,
    )
)
class SkopsTypes(ArtifactCheck):
    """Lists every (loader, type) of `schema.json`; makes none."""

    kinds = frozenset({"skops"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield types and loaders that are not expected.

        Raises:
            ItemError: no archive or no schema that can be read.
        """
        with open_members(item) as members:
            schema, twice = read_json(members.read("schema.json", _MOST_SCHEMA), f"{item.name}!schema.json")
        if twice:
            message = f"the key {twice[0][:80]!r} occurs twice in one object of the schema"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="DUPLICATE_KEY")
        try:
            asked = _asked_for(schema)
        except ValueError as error:
            raise ItemError(item.name, str(error)) from error
        for loader, name in sorted(asked)[:_MOST]:
            severity, rule, meaning = _judge(loader, name)
            if severity is not None:
                message = f"loading makes {name[:120]} (by {loader[:40]}): {meaning}"
                yield self.found(item, severity, message, rule=rule, type=name[:200], loader=loader[:80])


def _asked_for(schema: Any) -> set[tuple[str, str]]:
    """(loader, full name) of what is not allowed anyway."""
    asked: set[tuple[str, str]] = set()
    for _, _, node in walk_json(schema):
        if not isinstance(node, dict) or not {"__class__", "__loader__", "__module__"} & set(node):
            continue
        loader, name = str(node.get("__loader__")), f"{node.get('__module__')}.{node.get('__class__')}"
        content = node.get("content")
        if loader == "FunctionNode" and isinstance(content, dict) and "function" in content:
            name = f"{content.get('module_path')}.{content['function']}"  # protocol 0
        elif loader == "MethodNode" and isinstance(content, dict):
            name = f"{name}.{content.get('func')}"
        allowed = len(name) <= _LONG and "__" not in name and loader in _ALLOWED
        if not allowed or not re.fullmatch(_ALLOWED[loader], name):
            asked.add((loader[:_LONG], name[: _LONG + 1]))
    return asked


def _judge(loader: str, name: str) -> tuple[Severity | None, str, str]:
    if is_dangerous(name):
        return Severity.LIKELY, "DANGEROUS_TYPE", "it runs, fetches, writes or imports"
    if "__" in name:
        return Severity.LIKELY, "DANGEROUS_TYPE", "it reaches for Python's internals"
    if loader == "MethodNode":
        return Severity.SUSPICIOUS, "METHOD", "a bound method is more than a model needs"
    if loader == "ObjectNode" and len(name) <= _LONG and _KNOWN.fullmatch(name):
        return Severity.INFO, "KNOWN_TYPE", "skops asks you whether to trust it"
    return Severity.SUSPICIOUS, "UNKNOWN_TYPE", "nothing here says what it does"
