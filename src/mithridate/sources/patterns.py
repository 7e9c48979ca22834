"""Names of several files at once: `shard-{000..127}.tar`, `{a,b}.tar`, `shard-*.tar`."""

from __future__ import annotations

import re
from glob import glob

from mithridate.core.errors import UsageError

__all__ = ["braces", "expanded", "is_pattern"]

_BRACES = re.compile(r"\{([^{}]*)\}")
_MOST = 1_000_000


def is_pattern(name: str) -> bool:
    """Whether a name stands for several."""
    return any(c in name for c in "{*?[")


def expanded(pattern: str) -> list[str]:
    """The names that a pattern stands for: of braces all, of stars those that exist, sorted.

    Raises:
        UsageError: more than a million names.
    """
    names = braces(pattern)
    return [n for name in names for n in (sorted(glob(name)) if any(c in name for c in "*?[") else [name])]  # noqa: PTH207


def braces(pattern: str) -> list[str]:
    """The names that the braces of a pattern stand for: {000..127} counts with leading zeros, {a,b} lists.

    Raises:
        UsageError: more than a million names.
    """
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    low, dots, high = match.group(1).partition("..")
    counts = dots and low.isascii() and high.isascii() and low.isdigit() and high.isdigit()
    if counts and not 0 <= int(high) - int(low) < _MOST:
        raise UsageError(f"a range of 1 to {_MOST:,} names", match.group(0), pattern, "Correct it.")
    parts = (
        [f"{k:0{len(low)}d}" for k in range(int(low), int(high) + 1)] if counts else match.group(1).split(",")
    )
    rest = braces(pattern[match.end() :])
    if len(parts) * len(rest) > _MOST:
        raise UsageError(f"at most {_MOST:,} names", f"{len(parts) * len(rest):,}", pattern, "Give fewer.")
    return [pattern[: match.start()] + part + tail for part in parts for tail in rest]
