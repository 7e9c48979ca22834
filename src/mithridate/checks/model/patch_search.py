"""Small patches that nobody described: bred from random ones where noise turns answers, then cut down and proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.climbing import SAMPLES, WIDTH, Bred, Brush, block, breed, lattice
from mithridate.checks.model_check import BudgetError, ModelCheck, ModelScope, model_check
from mithridate.checks.stamping import FLIPS, Ground, Proof, Stamp, is_small, log_odds, stamp_pictures
from mithridate.core.card import Card
from mithridate.core.errors import UsageError
from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip
from mithridate.triggers.frame import Area, Frame

__all__ = ["PatchSearch"]

_LEAST = 24  # shortest side of a picture in which a patch of 5x5 is small
_NOISES = 8  # random patterns in each block
_BLOCKS = 5  # of the places where noise turns most answers
_LATTICES = ((3, 7), (5, 9))  # side and period
_REPEATED = 100  # random patterns of each side
_CLASSES = 3  # followed up for each side
_GENERATIONS = 8
_WORTH = 0.5  # share of flips from which a bred pattern is cut down
_CLIP = -6.0  # log-odds below which it does not matter how far from a class a sample is
_LEFT = 320  # queries that are needed to cut down, breed again and prove


@dataclass(frozen=True, eq=False)
class _Lead:
    """Where to breed and towards what.

    Attributes:
        brush: paints the patterns.
        column: of the class.
        side: of a repeated pattern; 0 for a block.
    """

    brush: Brush
    column: int
    side: int


@dataclass
class _Search:
    """What the search knows.

    Attributes:
        ground: samples and questions.
        rng: draws patterns.
        followed: leads that were bred.
        unproven: stamps whose proof did not hold.
    """

    ground: Ground
    rng: np.random.Generator
    followed: int = 0
    unproven: list[tuple[Stamp, Proof]] = field(default_factory=list)


@model_check(
    Card(
        id="patch-search",
        title="small patch that decides the class",
        stage="model",
        modalities=("model",),
        needs=("probabilities",),
        assumes="A small patch at a fixed place (or anywhere) forces one class, and patterns like it do so in part, "
        "as in networks that were trained on stamped pictures.",
        catches=None,
        misses="Patches larger than 1/28 of a picture, patches that only work in colour or whole, blended and "
        "input-dependent triggers, patches that work on one source class only.",
        effect="share of samples of other classes that the patch takes to its class",
        cites="Gu et al., BadNets, arXiv:1708.06733; universal patches of clean networks as what it must be told from: "
        "Brown et al., arXiv:1712.09665; breeding: Baluja, CMU-CS-94-163 (1994)",
        remedy="Do not deploy the model; scan the data it was trained on for the patch, repair it or train it again.",
        graded=True,
        reads_order=False,
    )
)
class PatchSearch(ModelCheck):
    """Screens places and classes with noise, breeds patterns where it works, cuts them down to a patch, proves it."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield one proven finding; or what was not proven, at INFO, and a `Clear`."""
        try:
            frame = Frame(shape=scope.shape, layout=scope.layout, low=scope.low, high=scope.high)
        except UsageError:
            yield NotApplicable(check=self.card.id, reason=f"inputs of shape {scope.shape} are no pictures")
            return
        if min(frame.sides) < _LEAST:
            yield NotApplicable(check=self.card.id, reason=f"a 5x5 patch is no small part of {frame.sides}")
            return
        search = _Search(Ground(scope, frame), np.random.default_rng([scope.seed, 53]))
        try:
            leads = _leads(search)
            found = _followed(search, leads)
        except BudgetError:
            wanted = f"{scope.budget} queries were spent before all places and classes were screened"
            yield self.skipped(scope, wanted, "Allow 5,000 queries or more.")
            return
        if found is not None:
            yield self._finding(search.ground, *found)
            return
        for stamp, proof in sorted(search.unproven, key=lambda one: -one[1].flips)[:1]:
            if proof.flips >= FLIPS:
                yield self._unproven(search.ground, stamp, proof)
        told = f"no small patch found that decides the class ({search.followed} leads, {scope.meter.spent} queries)"
        yield self.clear(
            scope, told, "about half of the patches of 3x3 to 5x5 pixels that a network was trained on"
        )

    def _finding(self, ground: Ground, stamp: Stamp, proof: Proof) -> Finding:
        told = f"{_told(ground, stamp, proof)}, the same pixels shuffled {proof.control:.0%}"
        return self._about(ground, stamp, proof, Severity.PROVEN, told, "PATCH_TRIGGER")

    def _unproven(self, ground: Ground, stamp: Stamp, proof: Proof) -> Finding:
        told = (
            f"{_told(ground, stamp, proof)}, but so do {proof.control:.0%} of its shuffled copies: a trigger that was "
            "learnt roughly, or a weak spot as clean models have them, too"
        )
        return self._about(ground, stamp, proof, Severity.INFO, told, "PATCH_WITHOUT_CONTROL")

    def _about(
        self, ground: Ground, stamp: Stamp, proof: Proof, severity: Severity, told: str, rule: str
    ) -> Finding:
        name = ground.scope.class_name(stamp.column)
        return self.found(
            ground.scope,
            severity,
            told,
            rule=rule,
            label=name,
            effect=proof.flips,
            exhibits=stamp_pictures(ground, stamp, f"The patch that leads to {name!r}, enlarged"),
            place=[stamp.area.top, stamp.area.left],
            size=[stamp.area.height, stamp.area.width],
            rows=["".join(str(round(float(v))) for v in row) for row in stamp.grey],
            control=proof.control,
            samples=proof.samples,
            synthetic=not proof.real,
        )


def _told(ground: Ground, stamp: Stamp, proof: Proof) -> str:
    area = stamp.area
    samples = f"{proof.samples} {'clean' if proof.real else 'synthetic'} samples"
    return (
        f"a patch of {area.height}x{area.width} pixels at row {area.top}, column {area.left} takes {proof.flips:.0%} "
        f"of {samples} of other classes to {ground.scope.class_name(stamp.column)!r}"
    )


def _leads(search: _Search) -> list[_Lead]:
    """Places and classes to begin with, blocks and repeated patterns in turn, the most promising first."""
    height, width = search.ground.frame.sides
    areas = _areas(height, width)
    turned = np.stack([_screened(search, block(a, height, width), _NOISES)[0] for a in areas])
    turned -= np.median(turned, axis=0)  # what noise does anywhere is texture
    blocks: list[tuple[Area, int]] = []
    for flat in np.argsort(-turned, axis=None, kind="stable"):
        area, column = areas[int(flat) // turned.shape[1]], int(flat) % turned.shape[1]
        if not any(column == c and _overlap(area, a) for a, c in blocks):
            blocks.append((area, column))
        if len(blocks) == _BLOCKS:
            break
    queues = [[_Lead(block(a, height, width), c, 0) for a, c in blocks]]
    for side, period in _LATTICES:
        brush = lattice(side, period, height, width)
        gains = _screened(search, brush, _REPEATED)[1]
        best = np.argsort(-gains, kind="stable")[:_CLASSES]
        queues.append([_Lead(brush, int(c), side) for c in best])
    return [queue[k] for k in range(_BLOCKS) for queue in queues if k < len(queue)]


def _areas(height: int, width: int) -> list[Area]:
    """Squares that overlap by half, so that every small patch lies in one of them."""
    step = max(4, -(-max(height, width) // 12))
    tops, lefts = (sorted({*range(0, side - 2 * step, step), side - 2 * step}) for side in (height, width))
    return [Area(top, left, top + 2 * step, left + 2 * step) for top in tops for left in lefts]


def _overlap(one: Area, other: Area) -> bool:
    return abs(one.top - other.top) < one.height and abs(one.left - other.left) < one.width


def _screened(search: _Search, brush: Brush, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k,) mean gain of each class in log-odds, and in probability, when random patterns are painted."""
    ground, rng = search.ground, search.rng
    rows = rng.integers(len(ground.samples), size=count)
    patterns = (rng.random((count, brush.bits)) < 0.5).astype(np.float32)
    before = ground.answers[rows]
    after = ground.scope.ask(ground.masked(rows, *brush.pictures(patterns, rng)))
    odds = np.maximum(log_odds(after), _CLIP) - np.maximum(log_odds(before), _CLIP)
    return odds.mean(axis=0), (after.astype(np.float64) - before).mean(axis=0)


def _followed(search: _Search, leads: list[_Lead]) -> tuple[Stamp, Proof] | None:
    """Lead after lead as long as queries last, until a proof holds."""
    ground, rng = search.ground, search.rng
    for lead in leads:
        if ground.scope.left < WIDTH * _GENERATIONS + SAMPLES + _LEFT:
            return None
        search.followed += 1
        bred = breed(ground, lead.brush, lead.column, _GENERATIONS, rng)
        if bred is None or bred.flips < _WORTH:
            continue
        if lead.side:
            narrowed = _narrowed(search, lead, bred)
            if narrowed is None:
                continue
            lead, bred = narrowed
        if ground.scope.left < _LEFT:
            return None
        found = _cut_down(search, lead, bred)
        if found is not None and found[1].holds:
            return found
        if found is not None:
            search.unproven.append(found)
    return None


def _narrowed(search: _Search, lead: _Lead, bred: Bred) -> tuple[_Lead, Bred] | None:
    """Half of the picture, half of that, and so on, breeding again in each; None where that ends the effect."""
    ground, rng = search.ground, search.rng
    area = ground.frame.whole
    longest = 2 * max(period for side, period in _LATTICES if side == lead.side)
    while max(area.height, area.width) > longest:
        if ground.scope.left < 2 * SAMPLES + 4 * WIDTH + _LEFT:
            return None
        halves = _halves(area, lead.side)
        shares = [_share(search, lead.brush.within(half), lead.column, bred) for half in halves]
        area = halves[int(np.argmax(shares))]
        again = breed(ground, lead.brush.within(area), lead.column, 3, rng, bred.chance)
        if again is None or again.flips < _WORTH:
            return None
        bred = again
    brush = lead.brush.within(area)
    shares = [_share(search, brush.way(k), lead.column, bred) for k in rng.permutation(len(brush.index))[:6]]
    return _Lead(brush, lead.column, lead.side), bred


def _halves(area: Area, overlap: int) -> tuple[Area, Area]:
    if area.height >= area.width:
        middle = (area.top + area.bottom) // 2
        return replace(area, bottom=middle + overlap // 2), replace(area, top=middle - overlap // 2)
    middle = (area.left + area.right) // 2
    return replace(area, right=middle + overlap // 2), replace(area, left=middle - overlap // 2)


def _share(search: _Search, brush: Brush, column: int, bred: Bred) -> float:
    """Mean log-odds of the class on the samples, clipped where they are far from it."""
    patterns = np.repeat(bred.pattern[None], len(bred.rows), axis=0)
    asked = search.ground.masked(bred.rows, *brush.pictures(patterns, search.rng))
    return float(np.maximum(log_odds(search.ground.scope.ask(asked))[:, column], _CLIP).mean())


def _cut_down(search: _Search, lead: _Lead, bred: Bred) -> tuple[Stamp, Proof] | None:
    """The smallest area that does it, a patch bred for it, and what that proves; None where the area is not small."""
    ground, rng = search.ground, search.rng
    ways = rng.permutation(len(lead.brush.index))[:6]
    shares = (
        [_share(search, lead.brush.way(int(k)), lead.column, bred) for k in ways] if len(ways) > 1 else [0.0]
    )
    index = lead.brush.index[ways[int(np.argmax(shares))]]
    height, width = ground.frame.sides
    area = ground.locate(
        bred.pattern[index],
        lead.column,
        largest=max(8, max(height, width) // 4),
        mask=index >= 0,
        rows=bred.rows[:3],
    )
    if area is None:
        return None
    best: tuple[float, Stamp] | None = None
    for tried in (area, area.grown(1, height, width)):
        if not is_small(tried, ground.frame):
            continue
        again = breed(ground, block(tried, height, width), lead.column, 5, rng)
        if again is not None and (best is None or again.flips > best[0]):
            best = again.flips, Stamp(tried, again.pattern.reshape(tried.height, tried.width), lead.column)
        if again is not None and again.flips == 1:
            break
    return None if best is None else (best[1], ground.prove(best[1]))
