"""From a place and a class to a small patch: bred, cut down, and held against what else could be bred as small."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.climbing import SAMPLES, WIDTH, Bred, Brush, block, breed
from mithridate.checks.model_check import BudgetError
from mithridate.checks.patch_leads import CLIP, Lead
from mithridate.checks.stamping import FLIPS, Ground, Proof, Stamp, is_small, log_odds
from mithridate.triggers.frame import Area, Frame

__all__ = ["Hunt"]

_GENERATIONS, _MORE = 8, 5  # at first, and once cut down
_WORTH = 0.5  # share of flips from which a pattern is followed up
_LEFT = 2 * (_MORE * WIDTH + SAMPLES) + 64  # queries that are needed to cut down and breed again
_WAYS = 8  # of laying a repeated pattern that are tried
_HOPELESS = -5.0  # log-odds below which a window alone is not bred in
_MANY = 7  # windows in a row, squared; more copies of a pattern are tried by the window
_CONTENDERS = 6
_FEWEST_RIVALS = 4
_CLASSES = 4  # of a model; of two, one is easier to reach than the other also in honest ones


@dataclass
class Hunt:
    """What was bred so far.

    Attributes:
        ground: samples and questions.
        rng: draws patterns.
        followed: leads that were bred.
        tried: the patches that were cut down, and what they prove.
    """

    ground: Ground
    rng: np.random.Generator
    followed: list[Lead] = field(default_factory=list)
    tried: list[tuple[Stamp, Proof]] = field(default_factory=list)

    def follow(self, leads: list[Lead]) -> None:
        """Lead after lead as long as queries last; one class is left alone once the proof of a patch for it holds.

        Takes 200 queries for a lead that comes to nothing, 500 to 700 for others.
        """
        needed = _GENERATIONS * WIDTH + SAMPLES + 2 * len(self.ground.samples)
        for lead in leads:
            if self.ground.scope.left < needed + _LEFT:
                return
            if any(proof.holds and stamp.column == lead.column for stamp, proof in self.tried):
                continue
            self.followed.append(lead)
            try:
                found = self._pursued(lead)
            except BudgetError:
                return
            if found is not None:
                self.tried.append(found)

    def outcome(self) -> tuple[Stamp, Proof] | None:
        """The patch that decides the class, if there is one; its proof need not hold.

        Where the order of its pixels matters and nothing was found for other classes, the first control is enough.
        Else the best patches are held against each other.
        """
        strong = [one for one in self.tried if one[1].flips >= FLIPS]
        if not strong:
            return None
        stamp, proof = max(strong, key=lambda one: (one[1].holds, one[1].flips))
        rivals = [p.flips for other, p in strong if other.column != stamp.column]
        if proof.holds and not rivals:
            return stamp, proof
        return self._contest() or (stamp, replace(proof, rivals=max(rivals)) if rivals else proof)

    def _pursued(self, lead: Lead) -> tuple[Stamp, Proof] | None:
        bred = breed(self.ground, lead.brush, lead.column, _GENERATIONS, self.rng)
        if bred is None or bred.flips < _WORTH:
            return None
        stamp, flips = self._cut(lead, bred)
        return None if stamp is None or flips < _WORTH else (stamp, self.ground.prove(stamp))

    def _contest(self) -> tuple[Stamp, Proof] | None:
        """What is left of the best patches when they must be smaller still: the one that stands out, with the others.

        Patches that were learnt roughly work in any order of their pixels, so that the first control fails. But
        nothing else in the model should be as strong: what can be bred at other places towards other classes, just as
        small and with as much effort, is the second control.

        Takes up to 1,400 queries; None where there is no such patch, too few classes, or too few queries left.
        """
        if self.ground.answers.shape[1] < _CLASSES:
            return None
        ranked = sorted(self.tried, key=lambda one: -one[1].flips)
        kept: list[Stamp] = []
        for stamp, _ in ranked:
            if not any(_same(stamp, other) for other in kept):
                kept.append(stamp)
        kept = kept[:_CONTENDERS]
        cost = _MORE * WIDTH + SAMPLES + 9 * SAMPLES
        enough = len(kept) * cost + 2 * len(self.ground.samples) <= self.ground.scope.left
        if not enough:
            return None
        smaller = [self._smaller(stamp) for stamp in kept]
        winner, flips = max(smaller, key=lambda one: one[1])
        if flips < FLIPS:
            return None
        others = [lead for lead in self.followed if lead.column != winner.column]
        if len(others) < _FEWEST_RIVALS:
            return None
        # What did not take half of the samples with a larger patch does not do so with a smaller one.
        rivals = [share for stamp, share in smaller if stamp is not winner and stamp.column != winner.column]
        proof = self.ground.prove(winner)
        return winner, replace(proof, rivals=max([_WORTH, *rivals]), searched=len(others))

    def _cut(self, lead: Lead, bred: Bred) -> tuple[Stamp | None, float]:
        """The best window of a pattern, as large as a small patch may be, bred for itself; and its share of flips."""
        index = lead.brush.index
        numbers = self.rng.permutation(len(index))[:_WAYS]
        ways = [lead.brush.way(int(k)) for k in numbers]
        way = (
            ways[int(np.argmax([self._share(w, lead.column, bred) for w in ways]))]
            if len(ways) > 1
            else ways[0]
        )
        chances = np.where(way.index[0] >= 0, bred.chance[way.index[0]], 0.5)
        windows = _windows(self.ground.frame, way, lead.side)
        shares = np.array([self._share(way.within(area), lead.column, bred) for area in windows])
        best: tuple[Stamp | None, float] = (None, 0.0)
        for k in np.argsort(-shares, kind="stable")[:2]:
            if shares[k] < _HOPELESS or self.ground.scope.left < _LEFT or best[1] == 1:
                break
            found = self._bred(windows[int(k)], lead.column, chances)
            best = found if found[1] > best[1] else best
        return best

    def _smaller(self, stamp: Stamp) -> tuple[Stamp, float]:
        """The best window of three fifths of a patch, bred for itself; and its share of flips."""
        area = stamp.area
        tall, wide = (max(3, side * 3 // 5) for side in (area.height, area.width))
        tops, lefts = (
            sorted({start, start + (end - start - size) // 2, end - size})
            for start, end, size in ((area.top, area.bottom, tall), (area.left, area.right, wide))
        )
        windows = [Area(top, left, top + tall, left + wide) for top in tops for left in lefts]
        chances = np.full(self.ground.frame.sides, 0.5)
        chances[area.cut] = np.where(stamp.grey > 0.5, 0.8, 0.2)
        whole = block(area, *self.ground.frame.sides)
        rows = self.rng.permutation(self.ground.others(stamp.column))[:SAMPLES]
        bred = Bred(chance=stamp.grey.ravel().astype(np.float64), flips=1.0, rows=rows)
        shares = [self._share(whole.within(window), stamp.column, bred) for window in windows]
        found, flips = self._bred(windows[int(np.argmax(shares))], stamp.column, chances)
        return (stamp, 0.0) if found is None else (found, flips)

    def _bred(self, area: Area, column: int, chances: NDArray[np.float64]) -> tuple[Stamp | None, float]:
        """A patch for an area, from (h, w) chances of white."""
        brush = block(area, *self.ground.frame.sides)
        bred = breed(self.ground, brush, column, _MORE, self.rng, chances[area.cut].ravel())
        if bred is None:
            return None, 0.0
        return Stamp(area, bred.pattern.reshape(area.height, area.width), column), bred.flips

    def _share(self, brush: Brush, column: int, bred: Bred) -> float:
        """Mean log-odds of the class on the samples, clipped where they are far from it."""
        patterns = np.repeat(bred.pattern[None], len(bred.rows), axis=0)
        asked = self.ground.masked(bred.rows, *brush.pictures(patterns, self.rng))
        return float(np.maximum(log_odds(self.ground.scope.ask(asked))[:, column], CLIP).mean())


def _same(one: Stamp, other: Stamp) -> bool:
    return one.column == other.column and one.area.near(other.area)


def _windows(frame: Frame, brush: Brush, side: int) -> list[Area]:
    """Squares as large as a small patch may be: some in a block, or one around each copy of a repeated pattern."""
    height, width = frame.sides
    longest = next(k for k in range(max(height, width), 0, -1) if is_small(Area(0, 0, k, k), frame))
    if side and np.count_nonzero(brush.index[0] == 0) > _MANY**2:
        tops, lefts = (range(0, edge, max(longest, edge // _MANY)) for edge in (height, width))
        corners = [(row, column) for row in tops for column in lefts]
    elif side:
        middles = np.argwhere(brush.index[0] == (side * side) // 2)
        corners = [(int(row) - longest // 2, int(column) - longest // 2) for row, column in middles]
    else:
        shown = np.argwhere(brush.index[0] >= 0)
        (top, left), (bottom, right) = shown.min(axis=0), shown.max(axis=0) + 1 - longest
        step = max(1, int(bottom - top) // 3)
        rows, columns = (
            sorted({*range(top, bottom, step), bottom}),
            sorted({*range(left, right, step), right}),
        )
        corners = [(int(row), int(column)) for row in rows for column in columns]
    inside = [(min(max(0, row), height - longest), min(max(0, c), width - longest)) for row, c in corners]
    return [Area(row, c, row + longest, c + longest) for row, c in dict.fromkeys(inside)]
