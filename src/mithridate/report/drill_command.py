"""What one types to carry out a drill again: the command line, or a call in Python where the command cannot say it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from mithridate.core.drill import Drill
from mithridate.core.drill_defaults import DRILL_DEFAULTS

__all__ = ["command_of"]

#: {argument of `open_source`: option}.
_READING = {
    name: name for name in ("label", "text", "id", "source", "split", "prompt", "response", "rejected")
} | {"x_key": "x", "y_key": "y"}


def command_of(drill: Drill) -> str:
    """A command for a shell that carries out the same drill; nothing in it that is so by default.

    Doses, seeds and ways to read that only `mithridate.drill` in Python can be told are told to it.
    """
    told = _told(drill)
    if not set(told["reading"]) <= set(_READING) or not _counted(told["seeds"]) or "audit_limit_s" in told:
        return _call(drill.subject.uri, told)
    words = ["mithridate", "drill", "--data", drill.subject.uri]
    for option, value in _options(told):
        words += [f"--{option}", value]
    return shlex.join(words)


def _told(drill: Drill) -> dict[str, Any]:
    """The arguments of the drill; those that have a default only where they differ from it."""
    settings = drill.settings
    seeds: int | list[int] = list(drill.seeds)
    if drill.seeds == tuple(range(len(drill.seeds))):
        seeds = len(drill.seeds)
    given = {
        "out": settings.get("out", DRILL_DEFAULTS["out"]),
        "doses": tuple(drill.doses),
        "seeds": seeds,
        "train_limit_s": settings.get("train_limit_s", DRILL_DEFAULTS["train_limit_s"]),
        "audit_limit_s": settings.get("audit_limit_s", DRILL_DEFAULTS["audit_limit_s"]),
    }
    if drill.training is None:
        del given["train_limit_s"]
    told: dict[str, Any] = {k: v for k, v in given.items() if v != DRILL_DEFAULTS[k]}
    told |= {"attacks": list(settings.get("attacks", drill.attacks)), "train": drill.training}
    told["reading"] = {k: v for k, v in dict(settings.get("reading", {})).items() if v is not None}
    return {"seeds": DRILL_DEFAULTS["seeds"], **told}


def _counted(seeds: Any) -> bool:
    return isinstance(seeds, int) and seeds > 0


def _options(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((_READING[name], str(value)) for name, value in told["reading"].items())
    bare = [a for a in told["attacks"] if len(a.split()) == 1 and "," not in a]
    if bare:
        yield "attacks", ",".join(bare)
    yield from (("attack", a) for a in told["attacks"] if a not in bare)
    if "doses" in told:
        yield "doses", ",".join(map(str, told["doses"]))
    if told["seeds"] != DRILL_DEFAULTS["seeds"]:
        yield "seeds", str(told["seeds"])
    if told["train"] is not None:
        yield "train", told["train"]
    if "train_limit_s" in told:
        yield "train-limit", _number(told["train_limit_s"])
    if "out" in told:
        yield "out", told["out"]


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _call(data: str, told: Mapping[str, Any]) -> str:
    """As Python; `out` has no default there."""
    shown = {k: list(v) if isinstance(v, tuple) else v for k, v in told.items() if v not in (None, [], {})}
    out = shown.pop("out", DRILL_DEFAULTS["out"])
    if shown["seeds"] == DRILL_DEFAULTS["seeds"]:
        del shown["seeds"]
    arguments = [repr(data), repr(out), *(f"{name}={value!r}" for name, value in sorted(shown.items()))]
    return f"mithridate.drill({', '.join(arguments)})"
