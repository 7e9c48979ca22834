"""Items by hand, and what a check says about them."""

from __future__ import annotations

import io
import json
import random
import zipfile

from mithridate.checks.artifact_check import ARTIFACT_CHECKS
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item


def item_of(content: bytes, kind: str, name: str = "file", *, inside: Item | None = None, path=None) -> Item:
    return Item(
        name=name, kind=kind, size=len(content), opener=lambda: io.BytesIO(content), inside=inside, path=path
    )


def at_path(path, kind: str) -> Item:
    return Item(
        name=path.name, kind=kind, size=path.stat().st_size, opener=lambda: path.open("rb"), path=path
    )


def results(check: str, item: Item) -> list[Finding | Skip]:
    """What a check yields; what it raises becomes a skip, as in the run."""
    found: list[Finding | Skip] = []
    try:
        found.extend(ARTIFACT_CHECKS.get(check)().examine(item))
    except ItemError as error:
        found.append(Skip(check=check, reason=error.reason, remedy="?", items=(item.name,), count=1))
    return found


def rules(check: str, item: Item, least: Severity = Severity.INFO) -> set[str]:
    """Rules of the findings, and "skip" when something was not examined."""
    found = results(check, item)
    named = {r.details["rule"] for r in found if isinstance(r, Finding) and r.severity >= least}
    return named | {"skip" for r in found if isinstance(r, Skip)}


def severities(check: str, item: Item) -> dict[str, Severity]:
    return {r.details["rule"]: r.severity for r in results(check, item) if isinstance(r, Finding)}


def zipped(members: dict[str, bytes | str | dict]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(content) if isinstance(content, dict) else content)
    return buffer.getvalue()


def edited(archive: bytes, changes: dict[str, bytes | str | dict | None]) -> bytes:
    """A zip with members replaced, added, or (None) left out."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        members: dict = {name: old.read(name) for name in old.namelist()}
    members.update(changes)
    return zipped({name: content for name, content in members.items() if content is not None})


def hostile(content: bytes, seed: int = 0, count: int = 150, span: int = 400) -> list[bytes]:
    """Cut anywhere, and with bytes of the first `span` replaced by random or extreme ones."""
    rng = random.Random(seed)  # noqa: S311
    made = [content[: rng.randrange(len(content))] for _ in range(count // 3)]
    for _ in range(count):
        broken = bytearray(content)
        at = rng.randrange(min(len(broken), span))
        patch = rng.choice([b"\xff" * 8, b"\0" * 8, rng.randbytes(1), rng.randbytes(8), b"\x7f\xff\xff\xff"])
        broken[at : at + len(patch)] = patch
        made.append(bytes(broken))
    return made


def survives(check: str, kind: str, contents: list[bytes]) -> None:
    """No exception but ItemError, whatever the bytes."""
    for content in contents:
        results(check, item_of(content, kind))
