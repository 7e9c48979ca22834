"""What every page has in common: its style allowed by a hash, and a size that it stays below."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import accumulate

from markupsafe import Markup

__all__ = ["MAX_BYTES", "Style", "fitted", "size_of", "style"]

#: A page stays below this; exhibits are dropped from the end to keep it so.
MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class Style:
    """A style sheet and the hash by which a content security policy allows it.

    Attributes:
        text: for a `<style>` element.
        digest: base64 of its SHA-256.
    """

    text: Markup
    digest: str


def style(*names: str) -> Style:
    """The style sheets of this package with these names, one after the other."""
    folder = files("mithridate.report").joinpath("templates")
    text = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return Style(Markup(text), digest)  # noqa: S704 - files of this package


def size_of(page: str) -> int:
    """Bytes of UTF-8; lone surrogates become question marks."""
    return len(page.encode("utf-8", "replace"))


def fitted(sizes: Sequence[int], draw: Callable[[int], str], shorter: Sequence[Callable[[], str]]) -> str:
    """A page below `MAX_BYTES`: all exhibits; else as many as fit by their measured size; else less of the rest.

    Args:
        sizes: roughly the bytes of each exhibit, the one to drop last first.
        draw: the page with so many of the exhibits.
        shorter: pages without exhibits and with ever less text; the last one has to fit.
    """
    kept = _prefix(sizes, MAX_BYTES)
    full = draw(kept)
    if size_of(full) < MAX_BYTES:
        return full
    bare = draw(0)
    # What escaping made of the exhibits, per byte of their data.
    growth = (size_of(full) - size_of(bare)) / max(sum(sizes[:kept]), 1)
    for share in (0.9, 0.5):
        room = share * (MAX_BYTES - size_of(bare)) / max(growth, 1e-9)
        page = draw(_prefix(sizes, room)) if room > 0 else full
        if size_of(page) < MAX_BYTES:
            return page
    page = bare
    for less in shorter:
        if size_of(page) < MAX_BYTES:
            return page
        page = less()
    return page


def _prefix(sizes: Sequence[int], room: float) -> int:
    """How many of the first sizes fit."""
    return sum(total <= room for total in accumulate(sizes))
