"""What the events of one pickle amount to: at most one cause of each kind, with the names that make it up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mithridate.checks.pickle_names import Standing, standing
from mithridate.models.files.pickles import (
    Built,
    Called,
    Changed,
    Computed,
    Ended,
    Event,
    Extension,
    Imported,
    Made,
    Ref,
    Table,
)

__all__ = ["Judgement", "take"]

_MOST_NAMES = 50
#: Attributes that make an object act when it is built further or used.
_ACTING_ATTRIBUTES = frozenset(
    {"__setstate__", "__class__", "__call__", "__reduce__", "__reduce_ex__", "__init__", "__dict__"}
)
#: What a pickle may ask a container to hold before it is filled.
_MOST_ELEMENTS = 1 << 30
_PLAIN_ENCODINGS = ("latin1", "latin-1", "iso-8859-1", "utf-8", "utf8", "ascii", "raw-unicode-escape")


@dataclass(kw_only=True)
class Judgement:
    """What one pickle does when it is loaded.

    Attributes:
        start: where it begins.
        calls: dangerous calls, as "module.name(arguments)" → place.
        imports: dangerous names that are imported → place.
        tricks: ways to act that need no dangerous name → place.
        foreign: names of other people's code → place.
        stock: whole objects of PyTorch's own classes → place.
        expansion: values that grow out of all proportion → place.
        end: how it ended.
    """

    start: int
    calls: dict[str, int] = field(default_factory=dict)
    imports: dict[str, int] = field(default_factory=dict)
    tricks: dict[str, int] = field(default_factory=dict)
    foreign: dict[str, int] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)
    expansion: dict[str, int] = field(default_factory=dict)
    end: Ended | None = None

    @property
    def standing(self) -> Standing:
        """The worst thing in it."""
        if self.calls or self.imports or self.tricks:
            return Standing.DANGEROUS
        if self.foreign or self.expansion:
            return Standing.FOREIGN
        return Standing.STOCK if self.stock else Standing.ORDINARY


def _note(found: dict[str, int], what: str, offset: int) -> None:
    if len(found) < _MOST_NAMES:
        found.setdefault(what, offset)


def take(result: Judgement, event: Event, *, script: bool = False) -> None:
    """Put one more event of a pickle into its judgement.

    Args:
        result: is changed.
        event: of the same pickle.
        script: it lies in a TorchScript archive, whose own classes are named `__torch__...`.
    """
    if isinstance(event, Imported):
        _imported(result, event, script)
    elif isinstance(event, Called):
        _called(result, event, script)
    elif isinstance(event, Built):
        _built(result, event)
    elif isinstance(event, Changed) and isinstance(event.target, Ref):
        _note(result.tricks, f"changes what is in {_name(event.target)}", event.offset)
    elif isinstance(event, Computed):
        _note(result.tricks, "imports a name that is computed while loading", event.offset)
    elif isinstance(event, Extension):
        what = f"imports number {event.code} of a registry that is not in the file"
        _note(result.tricks, what, event.offset)
    elif isinstance(event, Ended):
        result.end = event


def _name(ref: Ref) -> str:
    return f"{ref.module}.{ref.name}"


def _standing(ref: Ref, script: bool) -> Standing:
    if script and (ref.module == "__torch__" or ref.module.startswith("__torch__.")):
        return Standing.ORDINARY
    return standing(ref)


def _imported(result: Judgement, event: Imported, script: bool) -> None:
    place = {
        Standing.DANGEROUS: result.imports, Standing.FOREIGN: result.foreign, Standing.STOCK: result.stock,
    }.get(_standing(event.ref, script))  # fmt: skip
    if place is not None:
        _note(place, _name(event.ref), event.offset)


def _called(result: Judgement, event: Called, script: bool) -> None:
    func, args = event.func, event.args
    if not isinstance(func, Ref):
        _note(result.tricks, "calls what an earlier call gave", event.offset)
        return
    if _standing(func, script) == Standing.DANGEROUS:
        _note(result.calls, f"{_name(func)}({_shown(args)})", event.offset)
        return
    values = args if isinstance(args, tuple) else ()
    if func.name == "type" and func.module in ("builtins", "__builtin__") and len(values) != 1:
        _note(result.tricks, "makes a class", event.offset)
    elif (
        func == Ref("_codecs", "encode")
        and len(values) > 1
        and str(values[1]).lower() not in _PLAIN_ENCODINGS
    ):
        _note(result.tricks, f"decodes data by {_shown((values[1],))}", event.offset)
    elif func == Ref("torch.storage", "_load_from_bytes") and not (len(values) == 1 and _is_data(values[0])):
        _note(result.tricks, "loads a pickle that is computed while loading", event.offset)
    elif any(type(value) is int and abs(value) > _MOST_ELEMENTS for value in values) and func.name in _SIZED:
        _note(result.expansion, f"{_name(func)}({_shown(args)})", event.offset)


_SIZED = frozenset({"bytes", "bytearray", "list", "tuple", "range", "str", "array"})


def _is_data(value: Any) -> bool:
    """Bytes as they stand in the file, also as pickles of protocol 2 write them."""
    if isinstance(value, Made):
        return bool(value.func == Ref("_codecs", "encode"))
    return not isinstance(value, Ref | Table | tuple | list | None)


def _built(result: Judgement, event: Built) -> None:
    if isinstance(event.target, Ref):
        _note(result.tricks, f"overwrites attributes of {_name(event.target)}", event.offset)
        return
    parts = event.state if isinstance(event.state, tuple) else (event.state,)
    for part in parts[:2]:
        if isinstance(part, Table):
            for key, _ in part.pairs:
                if isinstance(key, str) and key in _ACTING_ATTRIBUTES:
                    _note(result.tricks, f"sets the attribute {key}", event.offset)


def _shown(value: Any, depth: int = 0) -> str:
    """Arguments, short enough for a sentence."""
    if isinstance(value, tuple | list):
        inner = ", ".join(_shown(part, depth + 1) for part in value[:4]) if depth < 3 else "…"
        return inner if depth == 0 else f"({inner})"
    if isinstance(value, Ref):
        return _name(value)
    if isinstance(value, Made):
        return f"{_shown(value.func, depth + 1)}(…)" if depth < 3 else "…"
    if isinstance(value, str | bytes):
        text = ascii(value)
        return text if len(text) <= 120 else f"{text[:110]}…"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)[:40]
    return "…"
