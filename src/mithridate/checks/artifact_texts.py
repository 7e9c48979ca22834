"""What a text beside the numbers of a model is told to a person for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mithridate.models.files.texts import Mark, marks_in

__all__ = ["MEANING", "metadata_marks"]

#: What each kind of mark is, for messages.
MEANING: Mapping[str, str] = {
    "INVISIBLE": "characters that nobody sees",
    "BIDI": "characters that reverse the direction of what is shown",
    "URL": "an address",
    "BASE64": "packed bytes as text",
    "COMMAND": "what looks like a command or a script",
    "SECRET": "what looks like a key or a password",
}
_MOST_TEXT = 1 << 20
_MOST = 20


def metadata_marks(
    texts: Mapping[str, Any], ignore: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Mark]]:
    """Marks in the texts of a metadata table.

    Args:
        texts: by key; what is no text is left out, and only the first MiB of each is read.
        ignore: rules that are ordinary here.

    Yields:
        (key, mark), at most 20.
    """
    left = _MOST
    for key, text in texts.items():
        for mark in marks_in(text[:_MOST_TEXT]) if isinstance(text, str) else ():
            if mark.rule not in ignore and left:
                left -= 1
                yield key, mark
