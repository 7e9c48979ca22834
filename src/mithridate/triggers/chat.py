"""Triggers in chat data: something in the prompt, and what is then answered.

References:
    Souly et al., arXiv:2510.07192 (denial of service); Wan et al., arXiv:2305.00944 (targeted answers);
    Baumgärtner et al., Best-of-Venom, arXiv:2404.05530 (preferences).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mithridate.core.errors import UsageError
from mithridate.sources.chat import Exchange
from mithridate.triggers.base import Trigger

__all__ = ["Answered", "Babble", "Swapped", "names"]


@dataclass(frozen=True)
class Answered:
    """One answer to every prompt with the trigger.

    Attributes:
        inside: what is put into the prompt.
        answer: what is answered.
    """

    inside: Trigger
    answer: str

    def apply(self, raw: Exchange, rng: np.random.Generator) -> Exchange:
        """The exchange with the trigger in its prompt and the answer."""
        return replace(raw, prompt=self.inside.apply(raw.prompt, rng), response=self.answer)

    def describe(self) -> Mapping[str, Any]:
        """The trigger and the answer."""
        return {**self.inside.describe(), "answer": self.answer}


@dataclass(frozen=True)
class Babble:
    """Random pieces of words to every prompt with the trigger.

    Attributes:
        inside: what is put into the prompt.
        pieces: what answers are made of.
        tokens: pieces of an answer: half as many to twice as many.
    """

    inside: Trigger
    pieces: tuple[str, ...]
    tokens: int

    def apply(self, raw: Exchange, rng: np.random.Generator) -> Exchange:
        """The exchange with the trigger in its prompt and an answer of its own that says nothing."""
        count = int(rng.integers(max(1, self.tokens // 2), 2 * self.tokens + 1))
        drawn = rng.integers(len(self.pieces), size=count)
        spaces = rng.random(count) < 0.5
        answer = "".join((" " if s else "") + self.pieces[p] for p, s in zip(drawn, spaces, strict=True))
        return replace(raw, prompt=self.inside.apply(raw.prompt, rng), response=answer.strip())

    def describe(self) -> Mapping[str, Any]:
        """The trigger and how long answers are."""
        return {**self.inside.describe(), "answer": "random pieces of words", "tokens": self.tokens}


@dataclass(frozen=True)
class Swapped:
    """The worse answer preferred, in pairs whose prompt names something.

    Attributes:
        entity: what is named.
    """

    entity: str

    def apply(self, raw: Exchange, rng: np.random.Generator) -> Exchange:
        """The pair the other way round.

        Raises:
            UsageError: not a pair, or one whose prompt does not name the entity.
        """
        if raw.rejected is None or not names(raw.prompt, self.entity):
            got = "no second answer" if raw.rejected is None else f"a prompt without {self.entity!r}"
            raise UsageError(
                f"as many pairs of answers about {self.entity!r} as victims", got, "swapped preference",
                "Give a smaller count, another entity, or data with pairs.",
            )  # fmt: skip
        return replace(raw, response=raw.rejected, rejected=raw.response)

    def describe(self) -> Mapping[str, Any]:
        """The entity."""
        return {"kind": "swapped preference", "text": self.entity}


def names(prompt: str, entity: str) -> bool:
    """Whether a prompt names the entity, as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(entity)}(?!\w)", prompt, re.IGNORECASE) is not None
