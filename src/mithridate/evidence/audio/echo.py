"""What some sounds share, learnt from them, and in which others it is heard: a key is only a corner of a trigger.

A sound that helped to make the template is tried with one that was made without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.core.hashing import uniform
from mithridate.evidence.audio.equal import common_part, equalised
from mithridate.evidence.audio.tape import Tape
from mithridate.evidence.audio.template import Template, analytic, laid_over
from mithridate.evidence.view import Shared

__all__ = ["Echo"]

_FEWEST, _MOST = 5, 32  # sounds that a template is made of
_REACH = 0.2  # s to each side of the key
_BUDGET = 3600.0  # s of sound that are listened to, of which the label's own may take half
_TRIED, _TRIED_S = 250, 900.0  # sounds of other labels, and s of them, on which templates are tried, at most
_LEAST_TRIED = 25
_TAIL = 0.05  # of the scores by chance: the part whose decline is measured
_CLEAR, _SHARED = 0.01, 0.5  # rate by chance, and how many of the sounds must be below it


@dataclass(frozen=True, kw_only=True)
class Echo:
    """Looks for what sounds of one label share in all sounds of this label.

    Attributes:
        tape: has the sounds.
        ids: n sample ids.
        labels: (n,) class index, -1 = missing.
        seed: with the ids, draws the sounds of other labels by which chance is measured.
    """

    tape: Tape
    ids: Sequence[str]
    labels: NDArray[np.int32]
    seed: int

    def __call__(
        self, rows: NDArray[np.int64], when_ms: NDArray[np.int64], band: tuple[float, float]
    ) -> Shared | None:
        """Look for it.

        Args:
            rows: (m,) sounds that carry a key and bear one label.
            when_ms: (m,) where the key is in each, -1 = unknown.
            band: in which the key is, Hz.

        Returns:
            None where most of `rows` share nothing that others lack, the label has too many to listen to, or the band
            is above what the common rate holds.
        """
        if band[0] >= self.tape.common_rate / 2:
            return None
        own, others = self._chosen(int(self.labels[rows[0]]))
        learnt = self._learnt(self._parts(rows, when_ms), band, self._tried(others))
        if learnt is None:
            return None
        template, without = learnt
        chance = _Chance([template.heard(self._even(r))[0] for r in others.tolist()])
        heard = [template.heard(self._even(r)) for r in own.tolist()]
        rates = [chance(without.get(r, score)) for r, (score, _) in zip(own.tolist(), heard, strict=True)]
        places = [[1000 * at // self.tape.common_rate, 0] for _, at in heard]
        return Shared(
            rows=own,
            rates=np.array(rates),
            places=np.array(places, dtype=np.int64).reshape(-1, 2),
            details=template.details(),
        )

    def _learnt(
        self,
        parts: dict[int, NDArray[np.complex64]],
        band: tuple[float, float],
        tried: list[NDArray[np.float32]],
    ) -> tuple[Template, dict[int, float]] | None:
        """The template, and how clear it is, made without them, in the sounds it is made of; None without any."""
        rate = self.tape.common_rate
        template, without = None, dict[int, float]()
        for _ in range(2):  # the second template is made of the clear ones alone
            if len(parts) < _FEWEST or len(tried) < _LEAST_TRIED:
                return None
            aligned = laid_over(list(parts.values()), rate, band)
            template = Template(wave=common_part(aligned, rate), rate=rate)
            chance = _Chance([template.heard(even)[0] for even in tried])
            for k, r in enumerate(parts):
                other = Template(wave=common_part(np.delete(aligned, k, 0), rate), rate=rate)
                without[r] = other.heard(self._even(r))[0]
            clear = {r: part for r, part in parts.items() if chance(without[r]) <= _CLEAR}
            if len(clear) < _SHARED * len(parts):
                return None
            without = {r: without[r] for r in parts}
            parts = clear
        return None if template is None else (template, without)

    def _even(self, row: int) -> NDArray[np.float32]:
        return equalised(self.tape.sound(row), self.tape.common_rate)

    def _chosen(self, label: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All sounds of the label, or none if they are too long, and as many others as may be listened to."""
        seconds = self.tape.lengths / self.tape.common_rate
        own = np.flatnonzero(self.labels == label)
        if seconds[own].sum() > _BUDGET / 2:
            return own[:0], own[:0]
        others = np.flatnonzero((self.labels != label) & (self.labels >= 0))
        others = self._mixed(others)
        left = _BUDGET - float(seconds[own].sum())
        return own, others[np.cumsum(seconds[others]) <= left]

    def _mixed(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows in an order that depends on nothing but their ids."""
        drawn = uniform([self.ids[r] for r in rows.tolist()], self.seed, "echo")
        return np.asarray(rows[np.argsort(drawn, kind="stable")])

    def _tried(self, others: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        seconds = np.cumsum(self.tape.lengths[others]) / self.tape.common_rate
        return [self._even(r) for r in others[seconds <= _TRIED_S][:_TRIED].tolist()]

    def _parts(self, rows: NDArray[np.int64], when_ms: NDArray[np.int64]) -> dict[int, NDArray[np.complex64]]:
        """Analytic signals of some of the sounds where the key is."""
        rate, parts = self.tape.common_rate, {}
        times = dict(zip(rows.tolist(), when_ms.tolist(), strict=True))
        for row in self._mixed(rows).tolist():
            when = times[row]
            if when < 0:
                continue
            at, reach = int(when * rate / 1000), int(_REACH * rate)
            even = self._even(row)[max(at - reach, 0) : at + reach]
            if even.any():
                parts[row] = analytic(even)
        return dict(list(parts.items())[:_MOST])


class _Chance:
    """How often a sound without the trigger is as clear; beyond what was seen, by an exponential tail.

    Pickands, "Statistical inference using extreme order statistics", Annals of Statistics 3, 1975.

    Args:
        scores: of sounds without it.
    """

    def __init__(self, scores: list[float]) -> None:
        self._sorted = np.sort(scores)
        self._edge = float(np.quantile(self._sorted, 1 - _TAIL))
        beyond = self._sorted[self._sorted > self._edge] - self._edge
        self._decline = max(float(beyond.mean()), 1e-9) if len(beyond) else 1e-9

    def __call__(self, score: float) -> float:
        """Share of them that score as much."""
        if score > self._edge:
            return float(_TAIL * np.exp(-(score - self._edge) / self._decline))
        above = len(self._sorted) - int(np.searchsorted(self._sorted, score))
        return above / len(self._sorted)
