"""The ledger of an attack on a model: the truth about what was planted, and how to wake it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mithridate.core.errors import UsageError

__all__ = ["MODEL_LEDGER_SCHEMA", "ModelLedger"]

MODEL_LEDGER_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class ModelLedger:
    """What was planted in a model.

    Attributes:
        attack: id of the attack.
        parameters: its fields as given.
        seed: what everything else was drawn from.
        labels: classes of the model.
        drawn: what the attack chose itself, e.g. the place; JSON values.
        triggers: {label: JSON values from which a reader can redo the trigger that leads to it}.
        added_parameters: learnt numbers in the copy that the model did not have.
        source: path or name of the model.
        source_digest: of the file or the weights; "" for a model that shows none.
        copy: path of the poisoned copy; "" when it was only handed over in memory.
        schema: version of the JSON form.
    """

    attack: str
    parameters: Mapping[str, Any]
    seed: int
    labels: int
    drawn: Mapping[str, Any]
    triggers: Mapping[str, Mapping[str, Any]]
    added_parameters: int
    source: str
    source_digest: str
    copy: str
    schema: int = MODEL_LEDGER_SCHEMA

    def to_json(self) -> str:
        """The JSON form; `from_json` is its inverse."""
        return json.dumps({"model_attack": True, **asdict(self)}, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> ModelLedger:
        """Read the JSON form.

        Raises:
            UsageError: not a ledger of a model, or of a schema this version does not know.
        """
        try:
            plain = json.loads(text)
            if plain.pop("model_attack") is not True or plain["schema"] != MODEL_LEDGER_SCHEMA:
                raise ValueError(f"schema {plain['schema']}")
            return cls(**plain)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            expected = f"a ledger of a model, schema {MODEL_LEDGER_SCHEMA}"
            raise UsageError(expected, repr(error)[:200], "ledger", "Plant again.") from error

    @classmethod
    def load(cls, path: str | Path) -> ModelLedger:
        """Read a ledger file.

        Raises:
            UsageError: missing, unreadable or no ledger of a model.
        """
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            remedy = "Give the file that the drill wrote."
            raise UsageError("a readable ledger", str(error), str(path), remedy) from error

    def save(self, path: str | Path) -> None:
        """Write the JSON form."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")
