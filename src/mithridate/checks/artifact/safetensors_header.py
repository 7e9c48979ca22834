"""The header of a safetensors file: do the tensors cover the file exactly, and what do the texts say."""

from __future__ import annotations

from collections.abc import Iterator

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.checks.artifact_texts import MEANING, metadata_marks
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.safetensors_header import SafetensorsHeader, read_safetensors_header

__all__ = ["SafetensorsHeaderCheck"]

_MOST = 10


@artifact_check(
    Card(
        id="safetensors-header",
        title="hidden bytes or false sizes in a safetensors file",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="the tensors of an honest file cover it from the first byte to the last, once each",
        catches=None,
        misses="bytes hidden in the numbers themselves; code beside the file; weights that hold a backdoor",
        effect="none",
        cites="safetensors, README, section Format (2022); Trail of Bits, Safetensors audit (2023)",
        remedy="Save the tensors again with safetensors; read what else was in the file before you throw it away.",
        graded=True,
        reads_order=False,
    )
)
class SafetensorsHeaderCheck(ArtifactCheck):
    """Compares the header with the size of the file; reads no tensor."""

    kinds = frozenset({"safetensors"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what the header gets wrong.

        Raises:
            ItemError: the header cannot be read, or the file ends before its tensors do.
        """
        header = read_safetensors_header(item)
        yield from self._structure(item, header)
        for key, mark in metadata_marks(header.metadata):
            message = f"the metadata {key[:40]!r} holds {MEANING[mark.rule]}: {mark.text}"
            yield self.found(item, Severity.INFO, message, rule=f"METADATA_{mark.rule}", key=key[:200])

    def _structure(self, item: Item, header: SafetensorsHeader) -> Iterator[Finding | Skip]:
        for key in header.twice[:_MOST]:
            message = f"{key[:80]!r} occurs twice in the header; readers differ on which of the two they take"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="DUPLICATE_KEY", key=key[:200])
        unknown = sorted({t.dtype for t in header.tensors if t.bits is None})
        if unknown:
            reason = f"tensors of types that are not known here: {', '.join(unknown)[:200]}"
            yield self.skipped(item, reason, "Look for a newer version of mithridate.")
        yield from self._sizes(item, header)
        yield from self._places(item, header)

    def _sizes(self, item: Item, header: SafetensorsHeader) -> Iterator[Finding]:
        wrong = [t for t in header.tensors if t.bits is not None and t.bits != 8 * (t.stop - t.start)]
        for t in wrong[:_MOST]:
            message = (
                f"the tensor {t.name[:80]!r} has {t.stop - t.start:,} bytes, but its shape and type need "
                f"{(t.bits or 0) / 8:,.0f}: readers may take bytes that are not its own"
            )
            yield self.found(item, Severity.SUSPICIOUS, message, rule="SIZE_LIE", tensor=t.name[:200])

    def _places(self, item: Item, header: SafetensorsHeader) -> Iterator[Finding]:
        """Tensors come in the order of their bytes, so one walk shows every hole and every overlap."""
        at, told = 0, 0
        for t in header.tensors:
            if t.stop > header.body or t.start > t.stop:
                raise ItemError(
                    item.name, f"the tensor {t.name[:80]!r} does not lie within the file: cut off?"
                )
            if t.start != at and told < _MOST:
                told += 1
                rule, what = ("HOLE", "is in no tensor") if t.start > at else ("OVERLAP", "is in two tensors")
                message = f"a piece of {abs(t.start - at):,} bytes before {t.name[:80]!r} {what}"
                yield self.found(item, Severity.SUSPICIOUS, message, rule=rule, tensor=t.name[:200], byte=at)
            at = max(at, t.stop)
        if at < header.body:
            message = f"{header.body - at:,} bytes after the last tensor belong to none"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="TRAILING", byte=at)
