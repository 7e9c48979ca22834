"""Evasion as one self-contained page: figures, pictures before and after, the contrast. No script, no request."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.evasion import CONTRAST, Evaded, Example
from mithridate.core.layout import LAYOUTS, picture_of
from mithridate.core.results import Exhibit
from mithridate.report import evade_view as view
from mithridate.report import words
from mithridate.report.drill_view import percent
from mithridate.report.exhibits.images import captioned
from mithridate.report.fit import fitted, style
from mithridate.report.page import environment
from mithridate.report.safe import plain

__all__ = ["render_evade"]

_LONGEST = 24  # characters of the name of a class under a picture
_OPTIONS = {"x_key": "x", "y_key": "y"}
_DEFAULTS = {"iterations": 10, "restarts": 1, "seed": 0, "layout": "auto"}


def render_evade(evaded: Evaded) -> str:
    """The page as one string below `MAX_BYTES` of UTF-8.

    Args:
        evaded: what to show; names of classes and files in it are treated as hostile.
    """
    pairs = _examples(evaded)
    sizes = [len(ascii(exhibit.data)) for _, exhibit in pairs]
    page = fitted(sizes, lambda kept: _render(evaded, pairs[:kept], len(pairs) - kept), [])
    return page.encode("utf-8", "replace").decode("utf-8")


def _render(evaded: Evaded, pairs: Sequence[tuple[str, Exhibit]], dropped: int) -> str:
    groups: dict[str, list[Exhibit]] = {}
    for title, exhibit in pairs:
        groups.setdefault(title, []).append(exhibit)
    look = style("style.css", "drill.css", "evade.css")
    results = [result for size in evaded.sizes for result in size.results]
    return environment().get_template("evade.html.j2").render(
        evaded=evaded,
        model=view.model_of(evaded),
        view=view,
        percent=percent,
        before=view.right(evaded),
        tries=next((r.parameters["tries"] for r in results if "tries" in r.parameters), 1),
        refused=view.no_gradients(evaded),
        groups=list(groups.items()),
        dropped=dropped,
        contrast=CONTRAST,
        command=_command(evaded),
        layouts=LAYOUTS,
        papers=list(dict.fromkeys(result.cites for result in results)),
        seconds=words.span(evaded.seconds),
        style=look.text,
        style_hash=look.digest,
    )  # fmt: skip


def _examples(evaded: Evaded) -> list[tuple[str, Exhibit]]:
    """(heading, before and change and after), smallest size first."""
    told = []
    for size in evaded.sizes:
        for example in size.examples:
            title = f"{view.NAMES[example.attack][0]}, at most {view.grey(size.epsilon)} grey levels"
            told.append((title, _exhibit(evaded, example, size.epsilon)))
    return told


def _exhibit(evaded: Evaded, example: Example, epsilon: float) -> Exhibit:
    asked = evaded.asked
    before, after = (picture_of(x, asked.layout, asked.shape) for x in (example.before, example.after))
    change = 127.5 + 127.5 * (after.astype(np.float64) - before) / epsilon
    (was, sure), (became, surer) = example.said_before, example.said_after
    pictures = [
        (_grey(255 * before), f"before: {_name(evaded, was)}, {_tight(sure)}"),
        (_grey(change), f"the change, ×{127.5 / (255 * epsilon):,.0f}"),
        (_grey(255 * after), f"after: {_name(evaded, became)}, {_tight(surer)}"),
    ]
    return captioned(
        f"{plain(asked.ids[example.row], 60)}: labelled {_name(evaded, example.truth)}", pictures
    )


def _tight(share: float) -> str:
    """`61%`: a narrow caption must not break before the sign."""
    return percent(share).replace(" ", "")


def _grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Levels 0 to 255 as a picture of 1, 3 or 4 channels, others as their first."""
    levels: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels if levels.shape[2] in (1, 3, 4) else levels[:, :, :1]


def _name(evaded: Evaded, output: int) -> str:
    return plain(evaded.asked.names[output], _LONGEST)


def _command(evaded: Evaded) -> str:
    """A command for a shell that does the same; nothing in it that is so by default."""
    asked = evaded.settings
    line = ["mithridate", "drill", "evade", str(asked["model"]), "--data", evaded.subject.uri]
    line += ["--arch", asked["arch"]] if asked["arch"] else []
    if len(asked["attacks"]) < len(view.NAMES):
        line += ["--attacks", ",".join(asked["attacks"])]
    sizes = ",".join(_size(size) for size in asked["epsilons"])
    line += ["--epsilon", sizes] if sizes != "8/255" else []
    line += ["--count", str(asked["count"])] if asked["count"] else []
    for name, value in _DEFAULTS.items():
        line += [f"--{name}", str(asked[name])] if asked[name] != value else []
    line += ["--classes", ",".join(asked["classes"])] if asked["classes"] else []
    for name, value in asked["reading"].items():
        line += [f"--{_OPTIONS.get(name, name)}", str(value)]
    return shlex.join(line)


def _size(epsilon: float) -> str:
    levels = round(255 * epsilon)
    return f"{levels}/255" if levels / 255 == epsilon else repr(epsilon)
