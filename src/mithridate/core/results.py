"""What a check can say: found something, found nothing, could not look, had nothing to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, TypeAlias

__all__ = ["Action", "Clear", "Exhibit", "Finding", "NotApplicable", "Result", "Severity", "Skip"]


class Severity(IntEnum):
    """How sure a finding is that somebody planted something. PROVEN: its effect was shown on a model."""

    INFO = 0
    SUSPICIOUS = 1
    LIKELY = 2
    PROVEN = 3


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A piece of evidence that a person can look at, with its own small copy of the data.

    Attributes:
        kind: how to draw it.
        title: one line above it.
        data: JSON values only. `image`: png (base64), scale; `gallery`: items [{id, png, caption}]; `text`: items
            [{id, text, marks [[start, stop], ...], caption}]; `sounds`: items
            [{id, png, wav (base64, or ""), caption}]; `cells`: columns, rows, marks [[row, column], ...];
            `bars`: names, values, reference (or null); `lines`: across, places [number], lines [{name, values}] of
            shares.
    """

    kind: Literal["image", "gallery", "sounds", "text", "cells", "bars", "lines"]
    title: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a check found. Checks propose the severity; the run grades it (see `core.verdict`).

    Attributes:
        check: id of the check.
        severity: as proposed by the check; as graded in a report.
        message: one sentence in words that the user's domain knows.
        targets: sample ids, worst first. Ids beyond `count` are ranked but not accused.
        scores: one number per target, never increasing.
        count: how many of the targets the finding accuses.
        label: the class that the finding is about, if it is about one.
        p_value: already corrected for everything the check looked at; None when deterministic.
        effect: size of what was found, in the unit that the check's card names.
        limit: the smallest poison that this check could have found on this data.
        innocents: how many of the `count` targets are expected to be innocent.
        details: JSON values that belong to this check (key, place, window, carriers, ...).
        exhibits: pictures, words, cells.
        targets_file: a parquet with (id, score) beside the report, when the list is long.
    """

    check: str
    severity: Severity
    message: str
    targets: tuple[str, ...]
    scores: tuple[float, ...]
    count: int
    label: str | None = None
    p_value: float | None = None
    effect: float | None = None
    limit: str = ""
    innocents: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    exhibits: tuple[Exhibit, ...] = ()
    targets_file: str | None = None

    @property
    def accused(self) -> tuple[str, ...]:
        """The first `count` targets."""
        return self.targets[: self.count]

    @property
    def known(self) -> bool:
        """Whether an earlier report said the same; see `core.baseline`."""
        return "known" in self.details


@dataclass(frozen=True, kw_only=True)
class Clear:
    """A check ran and found nothing above `limit`."""

    check: str
    message: str
    limit: str
    p_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Something that should have been looked at and could not be. Colours the verdict.

    Attributes:
        check: the check or source that could not look.
        reason: why.
        remedy: what would make it possible.
        items: ids concerned, at most 100; `count` is the whole number.
        items_file: a text file beside the report with all of them, when there are more.
    """

    check: str
    reason: str
    remedy: str
    items: tuple[str, ...] = ()
    count: int = 0
    items_file: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """A check without an object here. Colours nothing."""

    check: str
    reason: str


Result: TypeAlias = Finding | Clear | Skip | NotApplicable


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something done, or proposed, because of findings.

    Attributes:
        kind: what is done to the targets.
        targets: sample ids.
        because: ids of the checks whose findings ask for it.
        before: digest of the subject before; "" while only proposed.
        after: digest of the subject after; "" while only proposed.
        undo: what takes it back.
    """

    kind: Literal["quarantine", "relabel", "downweight", "excise", "prune", "retrain", "block"]
    targets: tuple[str, ...]
    because: tuple[str, ...]
    before: str = ""
    after: str = ""
    undo: str = ""
