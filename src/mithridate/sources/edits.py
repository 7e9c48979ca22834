"""What a changed copy changes: samples left out, labels, content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mithridate.core.errors import UsageError
from mithridate.sources.base import RowSource, quote

__all__ = ["Edits", "Replace"]

Replace = Callable[[str, Any], Any] | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Edits:
    """Changes by sample id.

    Attributes:
        drop: ids to leave out.
        relabel: {id: new label}, None for no label.
        replace: {id: new raw}, or a function of (id, raw) that returns the new raw, or None for no change.
        encode: (format, quality) that all files are encoded with, or None to copy untouched files.
    """

    drop: frozenset[str]
    relabel: Mapping[str, str | None]
    replace: Replace | None
    encode: tuple[str, int | None] | None = None

    @property
    def reads_all(self) -> bool:
        """Whether every sample has to be decoded to know what becomes of it."""
        return callable(self.replace)

    def raw(self, id_: str, old: Callable[[], Any]) -> Any:
        """The new raw of a sample, None for no change; `old` is called only where it is needed."""
        if self.replace is None:
            return None
        if isinstance(self.replace, Mapping):
            return self.replace.get(id_)
        return self.replace(id_, old())

    def refuse_unknown(self, source: RowSource) -> None:
        """Refuse ids that are not in the source: they would silently change nothing.

        Raises:
            UsageError: naming some.
        """
        named = set(self.drop) | set(self.relabel)
        named |= set(self.replace) if isinstance(self.replace, Mapping) else set()
        missing = sorted(named - source._locate(sorted(named)).keys()) if named else []
        if missing:
            raise UsageError(
                "ids of the data",
                f"{len(missing)} unknown ids: {quote(missing)}",
                source.uri,
                "Is this the same data?",
            )
        if self.relabel and not source_has_labels(source):
            raise UsageError("data with labels", "none to change", source.uri, "Name the label when opening.")


def source_has_labels(source: RowSource) -> bool:
    """Whether the samples of a source have labels, by its first readable batch."""
    first = next(source.batches(1), None)
    return first is not None and first.labels is not None
