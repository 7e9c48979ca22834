"""The ledger: the truth about what a drill planted. Checks never see it; scores are counted against it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError

__all__ = ["LEDGER_SCHEMA", "Ledger", "Victim", "ledger_path"]

LEDGER_SCHEMA = 1


def ledger_path(dst: str | Path) -> Path:
    """Where the ledger goes when nobody says: beside the copy, never inside it."""
    dst = Path(dst)
    name = dst.name
    for suffix in (".gz", ".npz", ".npy", ".csv", ".tsv", ".parquet", ".jsonl", ".json"):
        name = name.removesuffix(suffix)
    return dst.with_name(f"{name or dst.name}.ledger.json")


@dataclass(frozen=True, kw_only=True)
class Victim:
    """One sample that was touched.

    Attributes:
        id: its id in the poisoned copy.
        old_id: its id in the data; another one only in folders, where the class is part of the path.
        old_label: before; None where the data has no labels.
        new_label: after; equal to `old_label` in clean-label attacks.
        changed: whether its content is different now, or for pure label flips its label. A white patch on a
            white corner changes nothing and nobody can find it.
        cover: whether it carries the trigger under its true label, to make the attack harder to notice.
    """

    id: str
    old_id: str
    old_label: str | None
    new_label: str | None
    changed: bool
    cover: bool = False


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What was planted, where, and how to do it again.

    Attributes:
        attack: id of the attack.
        parameters: its fields as given.
        seed: what everything else was drawn from.
        target: the class aimed at, or None.
        labels: "dirty", "clean" or "all-to-all".
        source_class: the only class victims were taken from, or None.
        source_name: the only source victims were taken from, or None.
        trigger: the trigger as JSON values, pictures as base64 PNG; None when only labels changed.
        source: uri of the data that was copied.
        source_digest: its digest.
        total: samples in the data.
        victims: every sample that was touched, sorted by id.
        schema: version of the JSON form.
    """

    attack: str
    parameters: Mapping[str, Any]
    seed: int
    target: str | None
    labels: str
    source_class: str | None
    trigger: Mapping[str, Any] | None
    source: str
    source_digest: str
    total: int
    victims: tuple[Victim, ...]
    source_name: str | None = None
    schema: int = LEDGER_SCHEMA

    @property
    def poison(self) -> frozenset[str]:
        """Ids of the victims that really changed; without covers."""
        return frozenset(v.id for v in self.victims if v.changed and not v.cover)

    @property
    def touched(self) -> frozenset[str]:
        """Ids of all samples that really changed, covers too: who accuses them accuses nobody innocent."""
        return frozenset(v.id for v in self.victims if v.changed)

    def to_json(self) -> str:
        """The JSON form; `from_json` is its inverse."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Ledger:
        """Read the JSON form.

        Raises:
            UsageError: not a ledger, or of a schema this version does not know.
        """
        try:
            plain = json.loads(text)
            if plain["schema"] != LEDGER_SCHEMA:
                raise ValueError(f"schema {plain['schema']}")
            return cls(**{**plain, "victims": tuple(Victim(**victim) for victim in plain["victims"])})
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"a ledger of schema {LEDGER_SCHEMA}", repr(error)[:200], "ledger", "Plant again."
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> Ledger:
        """Read a ledger file.

        Raises:
            UsageError: missing, unreadable or no ledger.
        """
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                "a readable ledger", str(error), str(path), "Give the file that the drill wrote."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the JSON form."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")
