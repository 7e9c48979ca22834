"""The structure of an ONNX file: values in two places or elsewhere, foreign operators, fields that nobody shows."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.checks.artifact_texts import MEANING, metadata_marks
from mithridate.core.card import Card
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.onnx_operators import DEFAULT_DOMAINS, OPERATORS, OPSET, RUNTIME_DOMAINS
from mithridate.models.files.onnx_tensors import (
    escapes,
    external_place,
    held,
    is_cache_link,
    needed_bits,
    wrong_size,
)
from mithridate.models.files.onnx_wire import IR_VERSION, Message, read_onnx

__all__ = ["OnnxStructure"]

_MOST = 10
_INFO, _SUSPICIOUS, _LIKELY = Severity.INFO, Severity.SUSPICIOUS, Severity.LIKELY


@artifact_check(
    Card(
        id="onnx-structure",
        title="hidden or foreign parts of an ONNX file",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="an honest exporter writes each value once, inside the file or beside it, and standard operators",
        catches=None,
        misses="what standard operators compute: branches and triggers are the graph's",
        effect="none",
        cites="ONNX, onnx.proto (2017), docs/ExternalData.md; CVE-2022-25882; CVE-2024-27318; CVE-2025-51480",
        remedy="Export the model again from weights and code that you trust.",
        graded=True,
        reads_order=False,
    )
)
class OnnxStructure(ArtifactCheck):
    """Walks every message of the file; reads no values of tensors."""

    kinds = frozenset({"onnx"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what an honest exporter would not write.

        Raises:
            ItemError: cut off, no ONNX, or beyond the limits.
        """
        model = read_onnx(item)
        if model.number("ir_version") > IR_VERSION:
            reason = (
                f"version {model.number('ir_version')} of the format, newer than the {IR_VERSION} known here"
            )
            yield self.skipped(item, reason, "Look for a newer version of mithridate.")
        everything = list(model.walk())
        yield from self._fields(item, everything)
        tensors = [(path, m) for path, m in everything if m.kind == "Tensor"]
        yield from self._values(item, tensors)
        yield from self._external(item, [m for _, m in tensors])
        yield from self._functions(item, model)
        yield from self._operators(item, model, [m for _, m in everything if m.kind == "Node"])
        yield from self._rest(item, model, everything)

    def _fields(self, item: Item, everything: list[tuple[str, Message]]) -> Iterator[Finding]:
        odd = [(path, m) for path, m in everything if m.unknown]
        for path, m in odd[:_MOST]:
            size = sum(length for _, length in m.unknown)
            message = (
                f"{_where(path, m)} has {len(m.unknown)} fields ({size:,} bytes) that the format does not have: "
                "readers skip them, and nothing shows them"
            )
            yield self.found(item, _SUSPICIOUS, message, rule="UNKNOWN_FIELD", at=path, numbers=_numbers(m))
        for path, m in [(path, m) for path, m in everything if m.twice][:_MOST]:
            message = f"{_where(path, m)} has {', '.join(sorted(set(m.twice)))} more than once; readers differ on it"
            yield self.found(item, _SUSPICIOUS, message, rule="FIELD_TWICE", at=path)

    def _values(self, item: Item, tensors: list[tuple[str, Message]]) -> Iterator[Finding]:
        told = 0
        for path, tensor in tensors:
            fields = [name for name, count in held(tensor).items() if count]
            if external_place(tensor) is not None:
                fields.append("external data")
            lie = wrong_size(tensor)
            if len(fields) > 1:
                rule = "DOUBLE_DATA"
                message = (
                    f"has its values in {' and '.join(fields)}: a viewer and a runtime may see different ones"
                )
            elif lie:
                rule, message = "SIZE_LIE", f"has {lie}"
            else:
                continue
            told += 1
            if told <= _MOST:
                yield self.found(item, _SUSPICIOUS, f"{_where(path, tensor)} {message}", rule=rule, at=path)

    def _external(self, item: Item, tensors: list[Message]) -> Iterator[Finding | Skip]:
        places: dict[str, int] = {}
        for tensor in tensors:
            place = external_place(tensor)
            if place is not None:
                stop = _number(place.get("offset")) + (
                    _number(place.get("length")) or -(-(needed_bits(tensor) or 0) // 8)
                )
                location = place.get("location", "")
                places[location] = max(places.get(location, 0), stop)
        for location, stop in list(places.items())[: _MOST * 10]:
            if not location or escapes(location):
                message = f"keeps values of tensors in {location[:120]!r}, outside of its folder"
                yield self.found(item, _LIKELY, message, rule="EXTERNAL_ESCAPE", location=location[:200])
            elif item.path is None:
                reason = f"keeps values of tensors in another file, {location[:120]!r}, and lies in an archive itself"
                yield self.skipped(item, reason, "Unpack the archive and scan the folder.")
            else:
                yield from self._beside(item, item.path.parent / location, location, stop)

    def _beside(self, item: Item, path: Path, location: str, stop: int) -> Iterator[Finding | Skip]:
        try:
            about = path.lstat()
            steps = [path, *path.parents][
                : len(Path(location).parts)
            ]  # what lies between the model and its data
            odd = [step for step in steps if step.is_symlink() and not is_cache_link(step)]
            whole = path.stat()
        except (OSError, ValueError) as error:
            reason = f"keeps values of tensors in {location[:120]!r}, which cannot be read ({type(error).__name__})"
            yield self.skipped(item, reason, "Put the file beside the model.")
            return
        if odd or not stat.S_ISREG(whole.st_mode):
            message = f"keeps values of tensors in {location[:120]!r}, which is a link or no ordinary file"
            yield self.found(item, _SUSPICIOUS, message, rule="EXTERNAL_LINK", location=location[:200])
        elif about.st_nlink > 1:
            message = f"keeps values of tensors in {location[:120]!r}, which has {about.st_nlink} names on this disk"
            yield self.found(item, _INFO, message, rule="EXTERNAL_HARD_LINK", location=location[:200])
        if stat.S_ISREG(whole.st_mode) and whole.st_size < stop:
            reason = (
                f"{location[:120]!r} ends at byte {whole.st_size:,}, before the values at {stop:,}: cut off?"
            )
            yield self.skipped(item, reason, "Fetch the file again.")

    def _functions(self, item: Item, model: Message) -> Iterator[Finding]:
        names = Counter(
            (f.text("domain"), f.text("name"), f.text("overload")) for f in model.all("functions")
        )
        used = {(n.text("domain"), n.text("op_type")) for _, n in model.walk() if n.kind == "Node"}
        for (domain, name, overload), count in list(names.items()):
            shown = f"{domain or 'ai.onnx'}.{name}"[:120]
            if domain in DEFAULT_DOMAINS and (name in OPERATORS or (domain, name) in used):
                message = (
                    f"defines the standard operator {name[:80]!r} anew: viewers and runtimes differ on it"
                )
                yield self.found(item, _LIKELY, message, rule="SHADOWED_OPERATOR", operator=shown)
            elif domain in RUNTIME_DOMAINS:
                message = f"defines {shown}, of a domain that belongs to the runtime"
                yield self.found(item, _SUSPICIOUS, message, rule="SHADOWED_OPERATOR", operator=shown)
            if count > 1:
                message = (
                    f"defines the function {shown} {count} times; readers differ on which of them they take"
                )
                yield self.found(
                    item, _SUSPICIOUS, message, rule="FUNCTION_TWICE", operator=shown, overload=overload
                )
        dead = [f"{d}.{n}" for d, n, _ in names if (d, n) not in used]
        if dead:
            message = f"holds {len(dead)} functions that nothing calls: {', '.join(dead)[:160]}"
            yield self.found(item, _INFO, message, rule="UNUSED_FUNCTION", count=len(dead))

    def _operators(self, item: Item, model: Message, nodes: list[Message]) -> Iterator[Finding | Skip]:
        own = {(f.text("domain"), f.text("name")) for f in model.all("functions")}
        opsets = [o for f in (model, *model.all("functions")) for o in f.all("opset_import")]
        opset = max((o.number("version") for o in opsets if o.text("domain") in DEFAULT_DOMAINS), default=0)
        used = Counter((n.text("domain"), n.text("op_type")) for n in nodes)
        told = 0
        for (domain, name), count in used.items():
            if (domain, name) in own or (domain in DEFAULT_DOMAINS and name in OPERATORS):
                continue
            judged = _foreign(domain, name)
            if judged is None:
                continue
            told += 1
            if told > _MOST:
                return
            if domain in DEFAULT_DOMAINS and opset > OPSET:
                yield self.skipped(
                    item,
                    f"the operator {name[:80]!r} of opset {opset} is not known here",
                    "Update mithridate.",
                )
                continue
            severity, rule, meaning = judged
            message = f"calls {domain or 'ai.onnx'}.{name}"[:160] + f" {count} times: {meaning}"
            yield self.found(item, severity, message, rule=rule, operator=f"{domain}.{name}"[:200])

    def _rest(self, item: Item, model: Message, everything: list[tuple[str, Message]]) -> Iterator[Finding]:
        if model.all("training_info"):
            message = "holds graphs for training, which are no part of what it answers with"
            yield self.found(item, _INFO, message, rule="TRAINING_INFO")
        sparse = [m for _, m in everything if m.kind == "Sparse"]
        if sparse:
            message = f"holds {len(sparse)} sparse tensors, which most viewers do not show"
            yield self.found(item, _INFO, message, rule="SPARSE_TENSOR", count=len(sparse))
        graphs = [(p, m) for p, m in everything if m.kind == "Graph"]
        for path, graph in graphs:
            names = Counter(t.text("name") for t in graph.all("initializer"))
            twice = [name for name, count in names.items() if count > 1]
            if twice:
                message = (
                    f"{path} has several tensors named {twice[0][:80]!r}; readers differ on which they take"
                )
                yield self.found(item, _SUSPICIOUS, message, rule="NAME_TWICE", at=path)
        texts = {f"{m.kind.lower()} {k}": t for _, m in everything for k, t in _texts(m)}
        for key, mark in metadata_marks(texts, frozenset({"URL", "BASE64"})):
            message = f"the text {key[:60]!r} holds {MEANING[mark.rule]}: {mark.text}"
            yield self.found(item, _INFO, message, rule=f"METADATA_{mark.rule}", key=key[:200])


def _foreign(domain: str, name: str) -> tuple[Severity, str, str] | None:
    """What it means that a model calls an operator that is neither standard nor its own."""
    if (
        name in ("PyOp", "PyCustomOp", "PythonOp", "PythonOpGrad", "PyFunc")
        or domain == "ai.onnx.contrib.python"
    ):
        return _LIKELY, "PYTHON_OPERATOR", "it runs Python"
    if domain in RUNTIME_DOMAINS:
        return None
    if domain == "ai.onnx.contrib":
        return (
            _INFO,
            "CUSTOM_OPERATOR",
            "an operator of onnxruntime-extensions, whose library has to be loaded",
        )
    if domain in DEFAULT_DOMAINS:
        return _SUSPICIOUS, "UNKNOWN_OPERATOR", "no such operator is in the standard"
    return _SUSPICIOUS, "CUSTOM_OPERATOR", "it needs a library that is not here, and runs its machine code"


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    """Texts for people: descriptions and metadata, of which node positions and stack traces are ordinary."""
    if message.text("doc_string"):
        yield f"doc_string of {message.text('name')}", message.text("doc_string")
    for entry in message.all("metadata_props"):
        yield entry.text("key"), entry.text("value")


def _where(path: str, message: Message) -> str:
    name = message.text("name")
    return f"{path or 'the model'} {name[:60]!r}" if name else (path or "the model")


def _numbers(message: Message) -> list[int]:
    return sorted({number for number, _ in message.unknown})[:20]


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 20 else 0
