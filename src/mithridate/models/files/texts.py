"""What a text in a model file can hide: characters nobody sees, addresses, packed bytes, commands, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Mark", "marks_in", "shown"]

_INVISIBLE = re.compile(
    "[\u200b-\u200f\u2060-\u2064\u180e\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Joiners and direction marks are ordinary within scripts that need them, and in emoji.
_JOINERS = frozenset("\u200c\u200d\u200e\u200f")
_URL = re.compile(
    r"(?i)\b(?:https?|ftp|wss?|file|data|javascript)://?[^\s\"'<>(){}\\]{3,300}|\bdata:[a-z]+/[a-z+.-]+[;,]"
)
_PACKED = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")
_COMMAND = re.compile(
    r"(?i)<script\b|\bjavascript:|\bpowershell\b|\b(?:curl|wget)\s[^|\n]{0,200}\|\s*(?:ba|z)?sh\b|#!/bin/|#!/usr/bin/"
    r"|\b(?:eval|exec|__import__)\s*\(|\bos\.(?:system|popen)\b|\bsubprocess\.\w|\bbase64\.b64decode\b|/dev/tcp/"
    r"|\brm\s+-rf\b|\bbash\s+-[ic]\b"
)
_SECRET = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bhf_[A-Za-z0-9]{30,}\b|\bsk-[A-Za-z0-9_-]{20,}"
    r"|\bxox[abpr]-[A-Za-z0-9-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAIza[0-9A-Za-z_-]{35}\b"
)
_MOST = 20


@dataclass(frozen=True, slots=True)
class Mark:
    """One place in a text.

    Attributes:
        rule: "INVISIBLE", "BIDI", "URL", "BASE64", "COMMAND" or "SECRET".
        start: index of the first character.
        text: what is there, shortened, with invisible characters written out.
    """

    rule: str
    start: int
    text: str


def marks_in(text: str) -> Iterator[Mark]:
    """The first places of each kind, at most 20 of one kind."""
    yield from _limited(_invisible(text))
    spans: list[tuple[int, int]] = []
    for rule, pattern in (("URL", _URL), ("COMMAND", _COMMAND), ("SECRET", _SECRET)):
        found = [match for match, _ in zip(pattern.finditer(text), range(_MOST), strict=False)]
        spans += [match.span() for match in found]
        yield from (
            Mark(rule, m.start(), _secret(m.group()) if rule == "SECRET" else shown(m.group())) for m in found
        )
    packed = (m for m in _PACKED.finditer(text) if _looks_packed(m.group()) and not _within(m.start(), spans))
    yield from _limited(Mark("BASE64", m.start(), shown(m.group())) for m in packed)


def shown(text: str, most: int = 80) -> str:
    """A short form in which nothing is invisible."""
    plain = _INVISIBLE.sub(lambda m: f"\\u{{{ord(m.group()):04x}}}", text[: most + 1])
    return plain if len(text) <= most else f"{plain[:most]}…"


def _limited(marks: Iterator[Mark]) -> Iterator[Mark]:
    return (mark for mark, _ in zip(marks, range(_MOST), strict=False))


def _invisible(text: str) -> Iterator[Mark]:
    for match in _INVISIBLE.finditer(text):
        at, char = match.start(), match.group()
        beside = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
        if (char == "\ufeff" and at == 0) or (char in _JOINERS and any(ord(c) > 0x24F for c in beside)):
            continue
        rule = "BIDI" if char in _BIDI else "INVISIBLE"
        yield Mark(rule, at, shown(text[max(at - 20, 0) : at + 20]))


def _secret(text: str) -> str:
    """Enough to find it again, too little to use it."""
    return f"{text[:6]}… ({len(text)} characters)"


def _looks_packed(run: str) -> bool:
    """Whether a run of letters is no path and no long word: of all kinds, and few slashes."""
    kinds = all(re.search(kind, run) for kind in ("[A-Z]", "[a-z]", "[0-9]"))
    return kinds and len(set(run)) >= 16 and run.count("/") * 12 <= len(run)


def _within(at: int, spans: list[tuple[int, int]]) -> bool:
    return any(start <= at < stop for start, stop in spans)
