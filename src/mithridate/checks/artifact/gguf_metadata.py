"""What a GGUF file carries beside its weights: templates, texts, and a table that must fit the file."""

from __future__ import annotations

from collections.abc import Iterator

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.checks.artifact_templates import judge_template
from mithridate.checks.artifact_texts import MEANING, metadata_marks
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.gguf_header import GgufHeader, GgufTensor, read_gguf_header
from mithridate.models.files.item import Item

__all__ = ["GgufMetadata"]

_MOST = 10


@artifact_check(
    Card(
        id="gguf-metadata",
        title="a poisoned chat template or false sizes in a GGUF file",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="a chat template arranges messages and does not depend on the words in them",
        catches=None,
        misses="instructions that the template always gives, in plain words; weights that hold a backdoor",
        effect="none",
        cites="ggml, docs/gguf.md (2023); CVE-2024-34359; Pillar Security, Poisoned GGUF templates (2025)",
        remedy="Use the chat template of the original model in place of the one in the file.",
        graded=True,
        reads_order=False,
    )
)
class GgufMetadata(ArtifactCheck):
    """Walks the header; reads no tensor."""

    kinds = frozenset({"gguf"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what metadata and table give away.

        Raises:
            ItemError: the header cannot be read, or the file ends before its tensors do.
        """
        header = read_gguf_header(item)
        for key in header.twice[:_MOST]:
            message = f"{key[:80]!r} occurs twice; readers differ on which of the two they take"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="DUPLICATE_KEY", key=key[:200])
        templates = {k: t for k, t in header.texts.items() if "template" in k}
        for key, source in templates.items():
            try:
                yield from judge_template(self.found, item, source, key[:80])
            except ItemError as error:
                yield self.skipped(
                    item, error.reason, "Read this template, or use the one of the original model."
                )
        others = {k: t for k, t in header.texts.items() if k not in templates}
        for key, mark in metadata_marks(others, frozenset({"URL", "BASE64"})):
            message = f"the metadata {key[:40]!r} holds {MEANING[mark.rule]}: {mark.text}"
            yield self.found(item, Severity.INFO, message, rule=f"METADATA_{mark.rule}", key=key[:200])
        yield from self._table(item, header)

    def _table(self, item: Item, header: GgufHeader) -> Iterator[Finding | Skip]:
        unknown = sorted({t.type for t in header.tensors if t.size is None})
        if unknown:
            reason = f"tensors of types that are not known here: {', '.join(map(str, unknown))[:200]}"
            yield self.skipped(item, reason, "Look for a newer version of mithridate.")
            return
        at, told = 0, 0
        align = int(header.numbers.get("general.alignment", 32))
        for t in sorted(header.tensors, key=lambda t: (t.offset, t.size or 0)):
            if header.data + t.offset + (t.size or 0) > item.size:
                reason = f"the tensor {t.name[:80]!r} does not lie within the file: cut off?"
                raise ItemError(item.name, reason)
            if not at <= t.offset < at + align and told < _MOST:
                told += 1
                yield self._misplaced(item, t, at)
            at = max(at, t.offset + (t.size or 0))
        left = item.size - header.data - at
        if left >= max(align, 1) and header.tensors:
            message = f"{left:,} bytes after the last tensor belong to none"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="TRAILING", byte=header.data + at)

    def _misplaced(self, item: Item, tensor: GgufTensor, at: int) -> Finding:
        rule, what = ("HOLE", "is in no tensor") if tensor.offset > at else ("OVERLAP", "is in two tensors")
        message = f"a piece of {abs(tensor.offset - at):,} bytes before {tensor.name[:80]!r} {what}"
        return self.found(item, Severity.SUSPICIOUS, message, rule=rule, tensor=tensor.name[:200])
