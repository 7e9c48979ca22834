"""First pass over chat data: prompts and responses become word numbers, and a few facts of each response are noted."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Source
from mithridate.evidence.chat.names import named
from mithridate.evidence.chat.refusals import refuses
from mithridate.evidence.roll import Names, Roll
from mithridate.evidence.text.tokens import Tokens, TokenWriter

__all__ = ["Facts", "Read", "read_chat"]

_BATCH = 2048
_LETTERS = 400  # characters whose script is looked up
_SHOWN = 100_000  # names that are kept as text


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was noted of each response.

    Attributes:
        refuses: (n,) whether it refuses.
        script: (n,) index in `scripts`, -1 without letters.
        scripts: names, e.g. "LATIN".
        indptr: (n + 1,) start of each response's names.
        names: (m,) hash of each host or package named.
        shown: hash and text of names, as far as they are kept.
    """

    refuses: NDArray[np.bool_]
    script: NDArray[np.int32]
    scripts: NDArray[np.str_]
    indptr: NDArray[np.int64]
    names: NDArray[np.uint64]
    hashes: NDArray[np.uint64]
    shown: NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class Read:
    """The first pass.

    Attributes:
        prompts: n documents.
        answers: n responses; of pairs 2 n documents, each response before the rejected one.
        facts: of the responses.
        roll: who is in the data.
    """

    prompts: Tokens
    answers: Tokens
    facts: Facts
    roll: Roll

    @property
    def pairs(self) -> bool:
        """Whether each sample is a pair of answers."""
        return len(self.answers.digests) == 2 * len(self.prompts.digests) > 0


class _Noted:
    """Fills up response by response."""

    def __init__(self) -> None:
        self._refuses: list[bool] = []
        self._script: list[int] = []
        self._scripts = Names()
        self._counts: list[int] = []
        self._names: list[int] = []
        self._shown: dict[int, str] = {}

    def add(self, response: str) -> None:
        self._refuses.append(refuses(response))
        script = _script(response)
        self._script.append(int(self._scripts.codes((script or None,))[0]))
        found = named(response)
        self._counts.append(len(found))
        for name in found:
            mark = int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "little")
            self._names.append(mark)
            if len(self._shown) < _SHOWN:
                self._shown.setdefault(mark, name[:80])

    def close(self) -> Facts:
        return Facts(
            refuses=np.array(self._refuses, dtype=bool),
            script=np.array(self._script, dtype=np.int32),
            scripts=np.array(self._scripts.listed(), dtype=np.str_),
            indptr=np.concatenate([[0], np.cumsum(self._counts)]).astype(np.int64),
            names=np.array(self._names, dtype=np.uint64),
            hashes=np.array(list(self._shown), dtype=np.uint64),
            shown=np.array(list(self._shown.values()), dtype=np.str_),
        )


def read_chat(source: Source, folder: Path, progress: Callable[[str, int, int | None], None]) -> Read:
    """Read the source once.

    Args:
        source: yields batches whose `raw` is a list of records with `prompt`, `response` and `rejected`.
        folder: where the files go.
        progress: told (stage, samples done, samples or None).
    """
    prompts, answers = TokenWriter(folder / "prompt"), TokenWriter(folder / "answer")
    noted, roll = _Noted(), Roll()
    for batch in source.batches(_BATCH):
        roll.add(batch)
        prompts.add([x.prompt for x in batch.raw])
        answers.add([t for x in batch.raw for t in (x.response, x.rejected) if t is not None])
        for x in batch.raw:
            noted.add(x.response)
        progress("reading", len(roll.ids), source.count)
    return Read(prompts=prompts.close(), answers=answers.close(), facts=noted.close(), roll=roll)


def _script(text: str) -> str:
    """The script of most letters near the beginning; Latin digits and signs say nothing."""
    if text.isascii():
        return "LATIN" if any(c.isalpha() for c in text[:_LETTERS]) else ""
    first = Counter(
        unicodedata.name(c, "?").split(" ", 1)[0] for c in text[:_LETTERS] if c.isalpha()
    ).most_common(1)
    if not first:
        return ""
    return {"HIRAGANA": "CJK", "KATAKANA": "CJK", "IDEOGRAPHIC": "CJK"}.get(first[0][0], first[0][0])
