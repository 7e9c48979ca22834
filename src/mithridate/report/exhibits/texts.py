"""Texts: short excerpts around what a finding is about, with the words marked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from mithridate.core.results import Exhibit
from mithridate.report.exhibits.samples import Drawn, Sample
from mithridate.sources.chat import Exchange

__all__ = ["draw_words", "excerpt", "occurrences", "text_list"]

#: Characters kept on each side of an occurrence, and occurrences shown per text.
AROUND, MOST = 70, 2
#: Characters shown of a text in which nothing is marked.
OPENING = 200
#: Carriers quoted.
QUOTED = 6
#: Characters of a text that are searched.
_SEARCHED = 200_000
#: Words that may stand between the words of a skip phrase.
_GAP = r"(?:\W+\w+){0,6}?\W+"
_FILLERS = frozenset({"…", "...", "..", "_", "*", "·", "+", "&"})
Span = tuple[int, int]


def occurrences(text: str, details: Mapping[str, Any]) -> list[Span]:
    """Where the key of a finding occurs in a text, as non-overlapping (start, stop), first ones first."""
    text = text[:_SEARCHED]
    code_points = details.get("code_points")
    if code_points:
        wanted = {chr(int(str(c).removeprefix("U+"), 16)) for c in code_points}
        return [(i, i + 1) for i, char in enumerate(text) if char in wanted]
    spoken = details.get("words") or str(details["key"]).split()
    words = [re.escape(str(w)) for w in spoken if w not in _FILLERS]
    if not words:
        return []
    if "skip" in str(details.get("family", "")):
        return _parts(text, words)
    return [m.span() for m in re.finditer(_bounded(r"\W+".join(words)), text, re.IGNORECASE)] or _parts(
        text, words
    )


def _bounded(pattern: str) -> str:
    """Whole words only; a key that begins or ends with a sign has no word boundary there."""
    return rf"(?<!\w){pattern}(?!\w)"


def _parts(text: str, words: Sequence[str]) -> list[Span]:
    """Spans of the single words of a phrase with gaps; failing that, of each word anywhere."""
    grouped = _GAP.join(f"({w})" for w in words)
    spans = [
        m.span(g + 1) for m in re.finditer(_bounded(grouped), text, re.IGNORECASE) for g in range(len(words))
    ]
    if spans:
        return spans
    return [m.span() for m in re.finditer(_bounded(f"(?:{'|'.join(words)})"), text, re.IGNORECASE)]


def excerpt(text: str, spans: Sequence[Span]) -> tuple[str, list[list[int]]]:
    """The text around the first occurrences, with the marks moved along.

    Returns:
        The excerpt and [[start, stop], ...] within it.
    """
    if not spans:
        stop = _whole_words(text, 0, 0, 0, OPENING)[1]
        return (text if stop == len(text) else f"{text[:stop]} …"), []
    pieces: list[str] = []
    marks: list[list[int]] = []
    length = done = 0
    for start, stop in spans[: MOST * 4]:
        low, high = _whole_words(text, start - AROUND, start, stop, stop + AROUND)
        low = max(low, done)
        if start < done:  # inside the last piece
            offset = length - done
            marks.append([start + offset, min(stop, done) + offset])
            continue
        if len(pieces) == MOST:
            break
        lead = "" if low == done else " … " if pieces else "… "
        offset = length + len(lead) - low
        pieces.append(lead + text[low:high])
        marks.append([start + offset, stop + offset])
        length, done = length + len(pieces[-1]), high
    return "".join(pieces) + (" …" if done < len(text) else ""), marks


def _whole_words(text: str, low: int, start: int, stop: int, high: int) -> tuple[int, int]:
    """Move the ends of an excerpt to the nearest space inside, so that no word is cut."""
    low, high = max(0, low), min(len(text), high)
    if low and (space := text.find(" ", low, start)) >= 0:
        low = space + 1
    if high < len(text) and (space := text.rfind(" ", stop, high)) >= 0:
        high = space
    return low, high


def text_list(
    title: str, samples: Sequence[Sample], details: Mapping[str, Any] | None = None
) -> Exhibit | None:
    """Excerpts below each other; None without samples."""
    items = []
    for sample in samples:
        text, answers = _sides(sample.raw)
        shown, marks = excerpt(text, occurrences(text, details) if details else [])
        shown += answers
        items.append({"id": sample.id, "text": shown, "marks": marks, "caption": sample.caption})
    return Exhibit(kind="text", title=title, data={"items": items}) if items else None


def _sides(raw: Any) -> tuple[str, str]:
    """The text in which something is marked, and of chat data how the answers begin."""
    if not isinstance(raw, Exchange):
        return str(raw), ""
    told = f" ⟶ {excerpt(raw.response, ())[0] or '(nothing)'}"
    return raw.prompt, told if raw.rejected is None else f"{told} ⟷ rejected: {excerpt(raw.rejected, ())[0]}"


def draw_words(details: Mapping[str, Any], carriers: Sequence[Sample], others: Sequence[Sample]) -> Drawn:
    """A word, phrase or character: its carriers with it marked, beside texts like them without it."""
    lists = (
        text_list(f"Carriers: {_named(details)} is marked", carriers[:QUOTED], details),
        text_list("Their nearest neighbours without it", others),
    )
    return [], [e for e in lists if e]


def _named(details: Mapping[str, Any]) -> str:
    family, code_points = str(details.get("family", "key")), details.get("code_points")
    if not code_points:
        return f"the {family}"
    names = [
        f"{c} {unicodedata.name(chr(int(str(c).removeprefix('U+'), 16)), '').lower()}".strip()
        for c in code_points
    ]
    return f"the character {', '.join(names[:4])}"
