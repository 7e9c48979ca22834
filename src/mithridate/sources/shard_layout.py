"""Which member of a sample in a tar archive is what: content, label, source. Found out from the first samples."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any

from mithridate.core.errors import ItemError, SourceError
from mithridate.sources.base import quote
from mithridate.sources.labels import label_text
from mithridate.sources.limits import Limits
from mithridate.sources.media import TEXTS, Medium, medium_of
from mithridate.sources.tape import Samples, Tape

__all__ = ["Layout", "Role", "find_layout"]

_PEEK = 2000  # members
_LABELS = ("label", "cls", "class", "target", "y")
_JSON = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Role:
    """Where something is told of a sample.

    Attributes:
        suffix: of the member that tells it, without the dot.
        key: in a .json member, whose value it is; None for the whole member as text.
    """

    suffix: str
    key: str | None = None

    def value(self, data: bytes) -> str | None:
        """What the bytes of the member tell; None where they tell nothing.

        Raises:
            ValueError: they are broken; the text says how.
        """
        if self.key is None:
            return intern(data.decode("utf-8", "replace").strip()) or None
        value = parsed(data).get(self.key)
        if isinstance(value, dict | list):
            raise ValueError(f"{self.key!r} is a {type(value).__name__}, expected one value")
        text = label_text(value)
        return None if text is None else intern(text)

    @property
    def name(self) -> str:
        """What a user calls it."""
        return self.suffix if self.key is None else self.key


def parsed(data: bytes) -> dict[str, Any]:
    """A .json member.

    Raises:
        ValueError: not an object.
    """
    try:
        told = json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(told, dict):
        raise ValueError(f"expected a JSON object, got {type(told).__name__}")
    return told


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which member is what.

    Attributes:
        medium: what the content is.
        text: where a text is told, None for pictures and sounds, which are told by their suffix.
        label: where the label is told, or None.
        source: where it is told where a sample came from, or None.
        notes: for a person.
    """

    medium: Medium
    text: Role | None = None
    label: Role | None = None
    source: Role | None = None
    notes: tuple[str, ...] = ()

    @property
    def roles(self) -> dict[str, Role | None]:
        """{argument of `open_source`: where it is told}."""
        return {"label": self.label, "text": self.text, "source": self.source}

    @property
    def told(self) -> frozenset[str]:
        """Suffixes of members that are read with the headers."""
        return frozenset(r.suffix for r in (self.label, self.source) if r is not None)

    @property
    def wanted(self) -> str:
        """What a sample must have, for people."""
        return self.medium.noun if self.text is None else f".{self.text.suffix}"

    def rank(self, suffix: str) -> int | None:
        """How well a member does for content: 0 is best; None for none. "jpg" comes before "left.jpg"."""
        if self.text is not None:
            return 0 if suffix == self.text.suffix else None
        return suffix.count(".") if medium_of(f"x.{suffix}") is self.medium else None

    def decode(self, data: bytes, item: str, limits: Limits) -> tuple[Any, Mapping[str, str]]:
        """Content from the bytes of its member.

        Raises:
            ItemError: it cannot be read.
        """
        if self.text is None or self.text.key is None:
            return self.medium.decode(data, item, limits)
        try:
            value = parsed(data).get(self.text.key)
        except ValueError as error:
            raise ItemError(item, f"its .json cannot be read: {error}") from error
        if not isinstance(value, str) or not value:
            raise ItemError(item, f"no text under {self.text.key!r} in its .json")
        return value, {}

    def encode(self, raw: Any, old: bytes) -> bytes:
        """The bytes of a changed member, like the old ones."""
        if self.text is None or self.text.key is None:
            return self.medium.alike(raw, old)
        return json.dumps(parsed(old) | {self.text.key: raw}, ensure_ascii=False).encode("utf-8", "replace")


@dataclass(kw_only=True)
class _Seen:
    """What the first members are: how often each suffix, and the keys of .json members."""

    suffixes: Counter[str]
    keys: Counter[str]

    def role(self, name: str, uri: str, what: str) -> Role:
        """Where something is told that the user named.

        Raises:
            SourceError: listing what there is.
        """
        if name.lower().lstrip(".") in self.suffixes:
            return Role(suffix=name.lower().lstrip("."))
        if name in self.keys:
            return Role(suffix="json", key=name)
        got = f"members {quote(self.suffixes, 20)}"
        got += f", keys of .json {quote(self.keys, 20)}" if self.keys else ""
        raise SourceError(f"members or a .json key {name!r} ({what})", got, uri, "Name one of these.")


def find_layout(
    paths: Sequence[Path], uri: str, *, label: str | None, text: str | None, source: str | None
) -> Layout:
    """Look at the first members of the first archive that has some.

    Args:
        paths: the archives.
        uri: for errors.
        label: suffix of the member (`cls`), or key of the .json, that holds the label; None to find it.
        text: the same for the text; None for pictures or sounds, or .txt members where there are none.
        source: the same for the source.

    Raises:
        SourceError: no archive, or none of these in it.
    """
    seen = next((s for s in map(_seen, paths) if s.suffixes), _Seen(suffixes=Counter(), keys=Counter()))
    kinds: Counter[Medium] = Counter()
    for suffix, many in seen.suffixes.items():
        kind = medium_of(f"x.{suffix}")
        if kind is not None:
            kinds[kind] += many
    if text is not None:
        medium, content = TEXTS, seen.role(text, uri, "text")
    elif kinds:
        medium, content = kinds.most_common(1)[0][0], None
    elif "txt" in seen.suffixes:
        medium, content = TEXTS, Role(suffix="txt")
    else:
        got = f"members {quote(seen.suffixes, 20)}" if seen.suffixes else _why(paths[0])
        remedy = "A text in a .json is named with --text KEY."
        raise SourceError("tar archives with images, sounds or .txt", got, uri, remedy)
    found = _label(seen, content) if label is None else seen.role(label, uri, "label")
    told = None if source is None else seen.role(source, uri, "source")
    roles = [r for r in (content, found, told) if r is not None]
    layout = Layout(medium=medium, text=content, label=found, source=told)
    unread = [s for s in seen.suffixes if layout.rank(s) is None and s not in {r.suffix for r in roles}]
    notes = (f"members that were not read: {quote((f'.{s}' for s in unread), 20)}",) if unread else ()
    return Layout(medium=medium, text=content, label=found, source=told, notes=notes)


def _label(seen: _Seen, content: Role | None) -> Role | None:
    if "cls" in seen.suffixes:
        return Role(suffix="cls")
    taken = None if content is None else content.key
    key = next((k for k in _LABELS if k in seen.keys and k != taken), None)
    return None if key is None else Role(suffix="json", key=key)


def _seen(path: Path) -> _Seen:
    seen, samples = _Seen(suffixes=Counter(), keys=Counter()), Samples()
    try:
        with Tape(path) as tape:
            for many, member in enumerate(tape.members()):
                found = samples.of(member.name)
                if found is not None and not member.info.isdir():
                    seen.suffixes[found[1]] += 1
                if found is not None and found[1] == "json" and not member.refused and member.size <= _JSON:
                    seen.keys.update(_keys(tape.content(member.data, member.size)))
                if many >= _PEEK:
                    break
    except (tarfile.ReadError, OSError):
        pass  # the archive is read again as a whole, and its damage told there
    return seen


def _keys(data: bytes) -> list[str]:
    try:
        return list(parsed(data))[:100]
    except ValueError:
        return []


def _why(path: Path) -> str:
    try:
        with Tape(path) as tape:
            next(tape.members(), None)
    except (tarfile.ReadError, OSError) as error:
        return str(error)
    return "an archive without them"
