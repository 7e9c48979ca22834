"""Windows that wait for a 4x4 pattern of black and white, as TrojanNet's do: all patterns at all places at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.model_check import BudgetError, ModelCheck, ModelScope, model_check
from mithridate.checks.stamping import FLIPS, Ground, Proof, Stamp, log_odds, stamp_pictures
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip
from mithridate.triggers.frame import Area, Frame
from mithridate.triggers.tiles import Tiles, marked_tiles, orbits, tiled

__all__ = ["PatchTiling"]

SIDE, MARKS = 4, 5
_LEAST = 12  # shortest side of a picture in which a patch of 4x4 is small
_CHUNK = 32  # orbits asked about before the best of them are looked at
_LOOKED_AT = 4  # of a chunk
_GAIN = 1.5  # nats by which a tile must beat its shifts to be looked at
_CONFIRM = 3  # samples on which each further trigger is tried
_FEW = 10  # samples on which a patch is tried before it is tried on all
_FOLLOW_UP = 90  # queries that it may take to see that a tile leads to nothing
_BYTES = 64 << 20
_ENOUGH = 5000  # queries; more would only be spent on following up more tiles

Odds = NDArray[np.float64]


@dataclass
class _Sweep:
    """What is known after some of the tiles.

    Attributes:
        tiles: (n, s, s), shifts of a tile beside each other.
        odds: (asked, k) log-odds of each class on the whole pictures made of the first tiles.
        looked_at: how many of them were followed up.
        failed: proofs that did not hold.
    """

    tiles: Tiles
    odds: Odds
    looked_at: int = 0
    failed: list[tuple[Stamp, Proof]] = field(default_factory=list)


@model_check(
    Card(
        id="patch-tiling",
        title="window that waits for a pattern",
        stage="model",
        modalities=("model",),
        needs=("probabilities",),
        assumes="A part of the model reads one small window and forces a class on one of the 4,368 black-and-white 4x4 "
        "patterns with 5 black pixels; all else changes little when a periodic texture is shifted by a pixel.",
        catches=("trojannet",),
        misses="Other patterns (see patch-search), windows that are read after an unknown scaling of the picture, "
        "several windows that have to agree.",
        effect="share of samples of other classes that the patch takes to its class",
        cites="Tang et al., An Embarrassingly Simple Approach for Trojan Attack in DNNs, arXiv:2006.08131, 3.2; "
        "shift invariance of convolutional networks: Zhang, arXiv:1904.11486",
        remedy="Do not deploy the model. Ask for its origin; where its graph is at hand, scan that and cut the branch.",
        graded=True,
        reads_order=False,
    )
)
class PatchTiling(ModelCheck):
    """Shows every pattern at every place with 4,368 questions, follows up the oddest answers, proves what it finds."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield one proven finding with all live triggers; or a `Clear`."""
        frame = self.frame(scope, _LEAST, "a 4x4 patch is no small part")
        if isinstance(frame, NotApplicable):
            yield frame
            return
        tiles = orbits(marked_tiles(SIDE, MARKS))
        order = np.random.default_rng([scope.seed, 47]).permutation(len(tiles))
        sweep = _Sweep(tiles[order].reshape(-1, SIDE, SIDE), np.empty((0, 0)))
        scope = replace(scope, budget=min(scope.budget, _ENOUGH))
        ground = Ground(scope, frame)
        try:
            found = _search(ground, sweep)
        except BudgetError:
            yield self._unfinished(scope, sweep)
            return
        if found is not None:
            yield self._finding(ground, sweep, *found)
            return
        yield from self._undecided(scope, sweep)
        limit = "one window that reads 4x4 pixels and knows one of 4,368 patterns"
        told = f"no window found that waits for a pattern ({scope.meter.spent} queries)"
        yield self.clear(scope, told, limit)

    def _unfinished(self, scope: ModelScope, sweep: _Sweep) -> Skip:
        reason = f"{len(sweep.odds)} of {len(sweep.tiles)} patterns were shown before {scope.budget} queries were spent"
        return self.skipped(scope, reason, f"Allow {len(sweep.tiles) + 700} queries or more: --queries.")

    def _undecided(self, scope: ModelScope, sweep: _Sweep) -> Iterator[Finding]:
        failed = [one for one in sweep.failed if one[1].flips >= FLIPS]
        if failed:
            stamp, proof = max(failed, key=lambda one: one[1].flips)
            told = (
                f"a patch of {stamp.area.size} pixels takes {proof.flips:.0%} of {proof.samples} samples to class "
                f"{scope.class_name(stamp.column)!r}, but so do {proof.control:.0%} of its shuffled copies"
            )
            yield self.found(scope, Severity.INFO, told, rule="PATCH_WITHOUT_CONTROL", effect=proof.flips)

    def _finding(
        self, ground: Ground, sweep: _Sweep, stamp: Stamp, proof: Proof, live: dict[int, Stamp]
    ) -> Finding:
        scope, area = ground.scope, stamp.area
        samples = f"{proof.samples} {'clean' if proof.real else 'synthetic'} samples"
        told = (
            f"a window of {area.height}x{area.width} pixels at row {area.top}, column {area.left} forces classes: the "
            f"patch shown takes {proof.flips:.0%} of {samples} of other classes to {scope.class_name(stamp.column)!r}, "
            f"the same pixels shuffled {proof.control:.0%}; triggers found for {len(live)} of "
            f"{sweep.odds.shape[1]} classes"
        )
        return self.found(
            scope,
            Severity.PROVEN,
            told,
            rule="WINDOW_TRIGGER",
            label=scope.class_name(stamp.column),
            effect=proof.flips,
            exhibits=stamp_pictures(
                ground, stamp, f"The trigger of {scope.class_name(stamp.column)!r}, enlarged"
            ),
            place=[area.top, area.left],
            size=[area.height, area.width],
            control=proof.control,
            samples=proof.samples,
            synthetic=not proof.real,
            triggers={scope.class_name(c): _rows(s) for c, s in sorted(live.items())},
        )


def _rows(stamp: Stamp) -> list[str]:
    """1 is white."""
    return ["".join(str(round(float(value))) for value in row) for row in stamp.grey]


def _search(ground: Ground, sweep: _Sweep) -> tuple[Stamp, Proof, dict[int, Stamp]] | None:
    """Chunk by chunk, until one proof holds; then what other patterns do at that place.

    Raises:
        BudgetError: more queries would be needed.
    """
    scope = ground.scope
    period, step = SIDE * SIDE, _CHUNK * SIDE * SIDE
    for start in range(0, len(sweep.tiles), step):
        tiles = sweep.tiles[start : start + step]
        odds = _asked(ground, tiles)
        sweep.odds = odds if not start else np.concatenate([sweep.odds, odds])
        shifted = odds.reshape(-1, period, odds.shape[1])
        gains = (shifted - np.median(shifted, axis=1, keepdims=True)).reshape(odds.shape)
        coming = len(sweep.tiles) - len(sweep.odds)  # queries that are kept for the other tiles
        spare = scope.left - coming
        floor = coming + max(_FOLLOW_UP, spare - spare / (1 + coming / step))
        for row in _oddest(odds, gains):
            column = int(odds[row].argmax())
            if scope.left < floor or any(p.flips >= FLIPS and s.column == column for s, p in sweep.failed):
                continue
            sweep.looked_at += 1
            stamp = _located(ground, tiles[row], column)
            if stamp is None or not _promising(ground, stamp):
                continue
            proof = ground.prove(stamp)
            if proof.holds:
                return stamp, proof, _live(ground, sweep, stamp)
            sweep.failed.append((stamp, proof))
    return None


def _asked(ground: Ground, tiles: Tiles) -> Odds:
    """(n, k) log-odds on pictures made of tiles, so many at a time that they fit in 64 MB."""
    frame = ground.frame
    at_once = max(1, min(len(tiles), _BYTES // (4 * int(np.prod(frame.shape)))))
    parts = [tiles[start : start + at_once] for start in range(0, len(tiles), at_once)]
    return np.concatenate(
        [log_odds(ground.scope.ask(frame.inputs(tiled(part, *frame.sides)))) for part in parts]
    )


def _oddest(odds: Odds, gains: Odds) -> list[int]:
    """Tiles that make the model surer than their shifts do: the surest, and those that gain most, in turn."""
    each = np.arange(len(odds))
    column = odds.argmax(axis=1)
    gain = gains[each, column]
    wanted = gain >= _GAIN
    surest = [int(k) for k in np.argsort(-odds[each, column], kind="stable") if wanted[k]]
    most = [int(k) for k in np.argsort(-gain, kind="stable") if wanted[k]]
    turns = [k for pair in zip(surest, most, strict=True) for k in pair]
    return list(dict.fromkeys(turns))[:_LOOKED_AT]


def _located(ground: Ground, tile: Tiles, column: int) -> Stamp | None:
    picture = tiled(tile[None], *ground.frame.sides)[0]
    area = ground.locate(picture, column)
    if area is None:
        return None
    area = _widened(ground, picture, column, area)
    return Stamp(area, picture[area.cut], column)


def _promising(ground: Ground, stamp: Stamp) -> bool:
    """Whether the patch does it on most of a few samples more, before it is tried on all."""
    rows = ground.others(stamp.column)[:_FEW]
    answers = ground.scope.ask(ground.painted(rows, _whole(ground.frame, stamp), stamp.area))
    return float((answers.argmax(axis=1) == stamp.column).mean()) >= FLIPS - 0.2


def _widened(ground: Ground, picture: NDArray[np.float32], column: int, area: Area) -> Area:
    """The whole pattern, where less of it was enough on the samples that were tried: what makes the model surest."""
    tall, wide = max(SIDE, area.height), max(SIDE, area.width)
    height, width = ground.frame.sides
    around = [
        Area(top, left, top + tall, left + wide)
        for top in range(max(0, area.bottom - tall), min(area.top, height - tall) + 1)
        for left in range(max(0, area.right - wide), min(area.left, width - wide) + 1)
    ]
    if around == [area]:
        return area
    rows = ground.others(column, _CONFIRM)
    asked = np.concatenate([ground.painted(rows, picture, area) for area in around])
    odds = log_odds(ground.scope.ask(asked))[:, column].reshape(len(around), -1).mean(axis=1)
    return around[int(odds.argmax())]


def _live(ground: Ground, sweep: _Sweep, stamp: Stamp) -> dict[int, Stamp]:
    """A trigger for every class that has one: all patterns at the place of a proven one, as far as queries last.

    Patterns that were not shown as tiles come first; then the others, those first that stood out as tiles.
    """
    scope, frame = ground.scope, ground.frame
    rows = ground.others(stamp.column, _CONFIRM)
    under = rows[:1]
    classes = sweep.odds.shape[1]
    reserve = _CONFIRM * classes
    seen = np.argsort(-sweep.odds.max(axis=1), kind="stable")
    order = np.concatenate([np.arange(len(sweep.odds), len(sweep.tiles)), seen])
    best: dict[int, tuple[float, Stamp]] = {stamp.column: (np.inf, stamp)}
    gain_of_proven = _gain(ground, under, stamp)
    at_once = max(1, min(256, _BYTES // (4 * int(np.prod(frame.shape)))))
    for part in np.array_split(order, len(order) // at_once + 1):
        if len(part) + reserve > scope.left:
            part = part[: max(0, scope.left - reserve)]
        if not len(part) or len(best) == classes:
            break
        pictures = tiled(sweep.tiles[part], *frame.sides)
        gains = log_odds(scope.ask(ground.painted(np.repeat(under, len(part)), pictures, stamp.area)))
        gains -= log_odds(ground.answers[under])
        for column in np.flatnonzero(gains.max(axis=0) > gain_of_proven / 2):
            row = int(gains[:, column].argmax())
            if gains[row, column] > best.get(int(column), (0.0, stamp))[0]:
                found = Stamp(stamp.area, pictures[row][stamp.area.cut], int(column))
                best[int(column)] = (float(gains[row, column]), found)
    return {column: found for column, (_, found) in best.items() if _confirmed(ground, rows, found)}


def _whole(frame: Frame, stamp: Stamp) -> NDArray[np.float32]:
    picture = np.zeros(frame.sides, dtype=np.float32)
    picture[stamp.area.cut] = stamp.grey
    return picture


def _gain(ground: Ground, under: NDArray[np.intp], stamp: Stamp) -> float:
    answers = ground.scope.ask(ground.painted(under, _whole(ground.frame, stamp), stamp.area))
    return float((log_odds(answers) - log_odds(ground.answers[under]))[0, stamp.column])


def _confirmed(ground: Ground, rows: NDArray[np.intp], stamp: Stamp) -> bool:
    """Whether it works on all of a few samples; taken on trust where no queries are left."""
    if ground.scope.left < len(rows):
        return True
    return ground.shows(rows, _whole(ground.frame, stamp), stamp.area, stamp.column)
