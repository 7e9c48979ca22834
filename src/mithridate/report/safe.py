"""Text from data, made safe to look at: nothing invisible, nothing that reorders, nothing that is markup.

What is in a data set, a file name or a report was possibly written by an adversary. Every character that
draws nothing, changes direction or moves a cursor is shown as its number, e.g. [U+200B] (Boucher et al. 2022,
"Bad Characters", arXiv 2106.09898, lists what such characters do to readers).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup, escape

__all__ = ["chips", "clip", "invisible", "marked", "plain"]

#: Longest text shown at one place; what is longer is cut, and says so.
LONGEST = 800
#: Marks above or below a letter: some languages stack two, an attack stacks dozens.
_MOST_MARKS = 2
_HIDDEN_CATEGORIES = frozenset({"Cf", "Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Drawn as nothing although their category says letter, mark or symbol.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(c) for c in range(0xFE00, 0xFE10)
}
_NEEDS_CARE = re.compile(r"[^\x20-\x7e]")


def invisible(char: str) -> bool:
    """True if the character draws nothing, reorders its neighbours or moves a cursor."""
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    if category in _HIDDEN_CATEGORIES or char in _BLANK:
        return True
    return category == "Zs" or 0xE0100 <= ord(char) <= 0xE01EF


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """(character or name, is it a name) for each character; line breaks and tabs read as a space."""
    # Decided once per distinct character: a hostile text is long and monotonous.
    alphabet = set(text)
    hidden = {char for char in alphabet if invisible(char)} - {"\n", "\t"}
    marks = {char for char in alphabet if unicodedata.category(char) in ("Mn", "Me")}
    stacked = 0
    for char in text:
        stacked = stacked + 1 if char in marks else 0
        if char in hidden or stacked > _MOST_MARKS:
            yield f"U+{ord(char):04X}", True
        else:
            yield (" " if char in "\n\t" else char), False


def clip(text: str, longest: int = LONGEST) -> str:
    """Cut a text and say so."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def plain(text: object, longest: int = LONGEST) -> str:
    """One line of text in which everything is visible: a zero-width space reads `[U+200B]`."""
    text = clip(str(text), longest)
    if not _NEEDS_CARE.search(text):
        return text
    return "".join(f"[{piece}]" if named else piece for piece, named in _pieces(text))


def chips(text: object, longest: int = LONGEST) -> Markup:
    """The same for HTML: escaped, each invisible character a small labelled box."""
    text = clip(str(text), longest)
    if not _NEEDS_CARE.search(text):
        return escape(text)
    out: list[str] = []
    for named, run in groupby(_pieces(text), key=lambda piece: piece[1]):
        if named:
            out.extend(f'<span class="chip">{piece}</span>' for piece, _ in run)
        else:
            out.append(str(escape("".join(piece for piece, _ in run))))
    return Markup("".join(out))  # noqa: S704 - every piece is escaped or U+hex


def marked(text: str, marks: object, longest: int = 2000) -> Markup:
    """HTML of a text with its marked stretches in `<mark>`.

    Args:
        text: from data.
        marks: [[start, stop], ...]; overlapping, unordered or broken ones are tolerated.
        longest: characters shown.
    """
    text = str(text)[:longest]
    out, at = Markup(), 0
    for start, stop in _spans(marks, len(text)):
        start = max(start, at)
        if start < stop:
            out += (
                chips(text[at:start], longest)
                + Markup("<mark>")
                + chips(text[start:stop], longest)
                + Markup("</mark>")
            )
            at = stop
    return out + chips(text[at:], longest)


def _spans(marks: object, length: int) -> list[tuple[int, int]]:
    if not isinstance(marks, list | tuple):
        return []
    pairs = [
        m for m in marks if isinstance(m, list | tuple) and len(m) == 2 and all(type(v) is int for v in m)
    ]
    return sorted((max(0, a), min(length, b)) for a, b in pairs)
