"""Clean samples that are taken wrongly for a class and stay with it, when scaled, more than those that belong there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.copies import drawn
from mithridate.checks.model_check import ModelCheck, ModelScope, model_check
from mithridate.checks.stamping import thumbnail
from mithridate.core.card import Card
from mithridate.core.errors import UsageError
from mithridate.core.results import Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.triggers.frame import Frame

__all__ = ["ScaledConsistency", "stays"]

_FACTORS = (3, 5, 7, 9, 11)
_MOST, _FEWEST = 500, 40  # samples
_EACH = 3  # samples of a class that are taken wrongly for it, and as many that belong there
_KNOWN = 0.25  # share of a class that the model gets right; below, its name may stand for another
_RIGHT = 0.5  # of all samples; what a model says that gets most of them wrong is chance
_TOLD, _RARE = 0.01, 0.001  # p-values from which on it is told, and is more than a hint
_EXACT = 4000  # pairs up to which the distribution of ranks is counted
_SHOWN, _PICTURED = 50, 6  # samples in the details, and in the picture
_WAYS = {"none": "as they are", "up": "made brighter", "down": "made darker"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Odd:
    """A class, one way of scaling, and how the samples that are taken wrongly for it compare.

    Attributes:
        column: of the class.
        way: of `_WAYS`.
        p_value: not corrected.
        wrong: rows of samples taken wrongly for it, those that stay with it most first.
        above: share of pairs in which one of them keeps more than one that belongs there.
    """

    column: int
    way: str
    p_value: float
    wrong: tuple[int, ...]
    above: float


@model_check(
    Card(
        id="scaled-consistency",
        title="wrong answers that do not fade",
        stage="model",
        modalities=("model",),
        needs=("probabilities", "clean samples with labels"),
        assumes="A model is less sure of samples that it takes wrongly for a class than of those that belong there, "
        "whether they are scaled or not. With a trigger among the samples it is the other way round.",
        catches=None,
        misses="Most: with triggers on 5 % of 400 samples it told 16 of 42 networks with learnt backdoors, 7 of them "
        "above INFO. Samples that bear the label of the trigger's class; triggers that scaling destroys; clean samples "
        "without labels. Easy samples with wrong labels look the same, as do views of one thing that are too "
        "unlike to count as copies.",
        effect="share of pairs of a wrong and a right sample in which the wrong one keeps more; 0.5 by chance",
        cites="Guo et al., SCALE-UP, ICLR 2023, arXiv:2302.03251, section 4 (scaled prediction consistency, here of "
        "probabilities); Mann and Whitney 1947",
        remedy="Look at the samples named: cut what they share out of them and ask again; do not use the model if its "
        "answer changes.",
        graded=True,
        reads_order=False,
    )
)
class ScaledConsistency(ModelCheck):
    """Scales clean samples and compares, class by class, the wrong answers with the right ones by ranks."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield the class with the oddest wrong answers; or a `Clear`."""
        if scope.clean is None or scope.labels is None or len(scope.clean) < _FEWEST:
            reason = f"it takes {_FEWEST} clean samples with labels"
            yield NotApplicable(check=self.card.id, reason=reason)
            return
        count = min(_MOST, len(scope.clean), scope.left // (1 + 2 * len(_FACTORS)))
        if count < _FEWEST:
            yield NotApplicable(check=self.card.id, reason=f"{scope.left} queries are too few")
            return
        rng = np.random.default_rng([scope.seed, 67])
        rows = drawn(scope.clean, count, rng)
        if len(rows) < _FEWEST:
            reason = f"{len(rows)} of {count} clean samples are no near copies of each other, too few"
            yield NotApplicable(check=self.card.id, reason=reason)
            return
        count = len(rows)
        labels = scope.labels[rows]
        said, kept = stays(scope, scope.clean[rows].astype(np.float32))
        right = float((said == labels).mean())
        if right < _RIGHT:
            reason = (
                f"the model gets only {right:.0%} of {count} clean samples right, so that errors say nothing"
            )
            yield NotApplicable(check=self.card.id, reason=reason)
            return
        odd = list(_compared(said, labels, kept, rng))
        worst = min(odd, key=lambda one: one.p_value, default=None)
        p_value = 1.0 if worst is None else min(1.0, worst.p_value * len(odd))
        if worst is None or p_value > _TOLD:
            told = f"wrong answers fade as they should ({count} clean samples, {len(odd)} comparisons)"
            told = told if odd else f"no class gets enough wrong answers to compare ({count} clean samples)"
            limit = f"a trigger in some 5 % of the samples, where {_EACH} or more are taken for one class"
            yield replace(self.clear(scope, told, limit), p_value=p_value if odd else None)
            return
        yield self._finding(scope, replace(worst, wrong=tuple(int(rows[k]) for k in worst.wrong)), p_value)

    def _finding(self, scope: ModelScope, odd: _Odd, p_value: float) -> Finding:
        name = scope.class_name(odd.column)
        names = [scope.sample_name(row) for row in odd.wrong[:_SHOWN]]
        told = (
            f"{len(odd.wrong)} clean samples of other classes are taken for {name!r} and, {_WAYS[odd.way]}, keep that "
            f"answer better than those that belong there, in {odd.above:.0%} of pairs (p = {p_value:.2g}): as with a "
            f"trigger among the samples, or easy samples with wrong labels; see {', '.join(names[:3])}"
        )
        finding = self.found(
            scope,
            Severity.SUSPICIOUS if p_value <= _RARE else Severity.INFO,
            told,
            rule="UNFADING_ERRORS",
            label=name,
            effect=odd.above,
            exhibits=_pictures(scope, odd),
            way=odd.way,
            samples=names,
        )
        return replace(finding, p_value=p_value)


def _pictures(scope: ModelScope, odd: _Odd) -> tuple[Exhibit, ...]:
    """The samples that keep the wrong answer most, where they are pictures."""
    try:
        frame = Frame(shape=scope.shape, layout=scope.layout, low=scope.low, high=scope.high)
    except UsageError:
        return ()
    assert scope.clean is not None
    assert scope.labels is not None
    items = []
    for row in odd.wrong[:_PICTURED]:
        own = scope.class_name(int(scope.labels[row]))
        shown = thumbnail(frame.shown(scope.clean[row : row + 1])[0])
        items.append({"id": scope.sample_name(row), "png": shown, "caption": f"labelled {own}"})
    title = f"Samples that are taken for {scope.class_name(odd.column)!r}, {_WAYS[odd.way]}"
    return (Exhibit(kind="gallery", title=title, data={"items": items}),)


def stays(scope: ModelScope, x: NDArray[np.float32]) -> tuple[NDArray[np.intp], Mapping[str, Floats]]:
    """What a model says of samples, and with what probability it still says so after scaling.

    Args:
        scope: of the model; asked 11 times as many inputs as there are samples.
        x: (n, *shape).

    Returns:
        (n,) columns of the classes; and for "none", "up" (k x, clipped to white) and "down" (x / k) the (n,) mean
        probabilities of these over k, black being 0.
    """
    p = scope.ask(x)
    said, each = p.argmax(axis=1), np.arange(len(x))
    low, high = np.float32(scope.low), np.float32(scope.high)

    def kept(factor: float) -> Floats:
        scaled = np.minimum(low + np.float32(factor) * (x - low), high)
        own: Floats = scope.ask(scaled)[each, said].astype(np.float64)
        return own

    up = np.mean([kept(k) for k in _FACTORS], axis=0)
    down = np.mean([kept(1 / k) for k in _FACTORS], axis=0)
    return said, {"none": p[each, said].astype(np.float64), "up": up, "down": down}


def _compared(
    said: NDArray[np.intp], labels: NDArray[np.int64], kept: Mapping[str, Floats], rng: np.random.Generator
) -> Iterator[_Odd]:
    """Every class that has enough samples of both kinds, in every way of scaling."""
    for column in np.unique(said).tolist():
        own = labels == column
        if not own.any() or float((said[own] == column).mean()) < _KNOWN:
            continue
        wrong, right = np.flatnonzero((said == column) & ~own), np.flatnonzero((said == column) & own)
        if min(len(wrong), len(right)) < _EACH:
            continue
        for way, values in kept.items():
            order = wrong[np.argsort(-values[wrong], kind="stable")]
            above, p_value = _larger(values[wrong], values[right], rng)
            yield _Odd(column=column, way=way, p_value=p_value, wrong=tuple(order.tolist()), above=above)


def _larger(one: Floats, two: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Share of pairs in which the first is larger, and its p-value; ties are broken at random, which keeps it exact."""
    from scipy.stats import mannwhitneyu

    both = np.concatenate([one, two])
    ranks = np.lexsort((rng.random(len(both)), both)).argsort().astype(np.float64)
    method = "exact" if len(one) * len(two) <= _EXACT else "asymptotic"
    test = mannwhitneyu(ranks[: len(one)], ranks[len(one) :], alternative="greater", method=method)
    return float(test.statistic) / (len(one) * len(two)), float(test.pvalue)
