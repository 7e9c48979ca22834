"""What the HTML page and the notebook share: templates that cannot emit raw data, and view helpers."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup

from mithridate.core.report import Report
from mithridate.core.results import Clear, Exhibit, Finding
from mithridate.report import words
from mithridate.report.lines import lines
from mithridate.report.safe import chips, marked, plain

__all__ = [
    "Bar",
    "Limit",
    "Picture",
    "bars",
    "environment",
    "evidence_of",
    "excisions",
    "histogram",
    "limits",
    "picture",
    "recording",
    "sound",
    "title_of",
]

#: Classes drawn in the histogram of the subject.
HISTOGRAM = 20
_MAGIC = b"\x89PNG\r\n\x1a\n"
_LARGEST, _WIDEST = 4096, 320
_FEW = 4
_MOST_HEARD = 400_000  # characters of base64


@dataclass(frozen=True)
class Picture:
    """An embedded PNG that was checked to be one."""

    src: str
    width: int
    height: int


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart; shares are per cent of the longest bar."""

    name: str
    value: float
    share: float
    reference: float | None = None
    reference_share: float = 0.0


@dataclass(frozen=True)
class Limit:
    """What one check could not have seen."""

    title: str
    text: str
    found: str


def environment() -> jinja2.Environment:
    """Templates in which every expression is made visible (`plain`) and escaped, if no filter did it."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("mithridate.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    env.filters |= {"chips": chips, "n": _number, "short": lambda text, longest: plain(text, longest)}
    env.globals |= {
        "words": words,
        "marked": marked,
        "picture": picture,
        "recording": recording,
        "bars": bars,
        "lines": lines,
        "evidence_of": evidence_of,
    }
    return env


def _number(value: float) -> str:
    """`1,234`, `0.5`, `12`."""
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:,.1f}"


def picture(png: object, scale: object = 1) -> Picture | None:
    """A PNG that may be shown, at its displayed size; None when it is not a sound PNG of sane size."""
    if not isinstance(png, str):
        return None
    try:
        head = base64.b64decode(png, validate=True)[:24]
    except (binascii.Error, ValueError):
        return None
    if len(head) < 24 or head[:8] != _MAGIC:
        return None
    width, height = struct.unpack(">II", head[16:24])
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        return None
    factor = max(1, min(int(scale), _WIDEST // width)) if isinstance(scale, int | float) else 1
    return Picture(f"data:image/png;base64,{png}", width * factor, height * factor)


def recording(wav: object) -> str | None:
    """The address of a WAV that may be played; None when it is not a sound WAV of sane size."""
    if not isinstance(wav, str) or not 0 < len(wav) <= _MOST_HEARD:
        return None
    try:
        head = base64.b64decode(wav, validate=True)[:12]
    except (binascii.Error, ValueError):
        return None
    return f"data:audio/wav;base64,{wav}" if head[:4] == b"RIFF" and head[8:] == b"WAVE" else None


def bars(data: Mapping[str, Any]) -> list[Bar]:
    """Rows of a `bars` exhibit."""
    names, values = [str(n) for n in data["names"]], [float(v) for v in data["values"]]
    reference = data.get("reference")
    refs = [float(v) for v in reference] if reference else []
    top = max([*values, *refs, 1e-12])
    return [
        Bar(
            n,
            v,
            100 * max(v, 0) / top,
            refs[i] if refs else None,
            100 * max(refs[i], 0) / top if refs else 0.0,
        )
        for i, (n, v) in enumerate(zip(names, values, strict=True))
    ]


def evidence_of(finding: Finding) -> tuple[list[Exhibit], list[Exhibit]]:
    """What was found (small pictures, bars), and whom it was found in; unsound exhibits are left out."""
    shown = [e for e in finding.exhibits if sound(e)]
    what = [
        e
        for e in shown
        if e.kind in ("image", "bars", "lines") or (e.kind == "gallery" and len(e.data["items"]) < _FEW)
    ]
    return what, [e for e in shown if e not in what]


def sound(exhibit: Exhibit) -> bool:
    """Whether an exhibit can be drawn: a report may come from anywhere."""
    data = exhibit.data
    try:
        if exhibit.kind == "bars":
            return bool(bars(data))
        if exhibit.kind == "lines":
            return bool(lines(data).lines)
        if exhibit.kind == "cells":
            return all(
                isinstance(row, list | tuple) for row in [data["columns"], data["marks"], *data["rows"]]
            )
        if exhibit.kind == "image":
            return picture(data["png"]) is not None
        content = {"gallery": "png", "sounds": "png", "text": "text"}[exhibit.kind]
        more: dict[str, set[str]] = {"text": {"marks"}, "sounds": {"wav"}}
        keys = {"id", content, "caption"} | more.get(exhibit.kind, set())
        return all(keys <= set(item) for item in data["items"])
    except (LookupError, TypeError, ValueError):
        return False


def histogram(classes: Mapping[str, int]) -> tuple[list[Bar], str]:
    """The largest classes as bars, and a sentence about the others."""
    ranked = sorted(classes.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ranked[:HISTOGRAM], ranked[HISTOGRAM:]
    data = {"names": [k for k, _ in shown], "values": [v for _, v in shown]}
    more = (
        f"and {len(rest):,} smaller classes, {rest[-1][1]:,} to {rest[0][1]:,} samples each" if rest else ""
    )
    return (bars(data) if shown else []), more


def title_of(report: Report, check: str) -> str:
    """What the card calls what the check finds; the check's id when there is no card."""
    return str(report.cards.get(check, {}).get("title") or check)


def excisions(report: Report) -> list[str]:
    """Names of the findings that can be cut out of a model, as `mithridate repair --excise` takes them."""
    cut = [f for f in report.findings if "excise" in f.details]
    stages = [f"{report.cards.get(f.check, {}).get('stage', 'graph')}.{f.check}" for f in cut]
    return [
        name if not n else f"{name}.{n + 1}"
        for k, name in enumerate(stages)
        for n in [stages[:k].count(name)]
    ]


def limits(report: Report) -> list[Limit]:
    """What could not have been seen, one entry per check and wording."""
    seen: dict[tuple[str, str], str] = {}
    for result in report.results:
        if isinstance(result, Finding | Clear) and result.limit:
            found = "found something" if isinstance(result, Finding) else result.message
            seen.setdefault((title_of(report, result.check), result.limit), found)
    return [Limit(title, text, found) for (title, text), found in seen.items()]


def first(items: Sequence[Any], most: int) -> tuple[Sequence[Any], int]:
    """The first items and how many are left."""
    return items[:most], max(0, len(items) - most)
