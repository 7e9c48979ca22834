"""Clean samples whose sure answer turns into another sure one when they are shifted by a pixel or filtered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.copies import drawn
from mithridate.checks.model_check import ModelCheck, ModelScope, model_check
from mithridate.checks.stamping import thumbnail
from mithridate.core.card import Card
from mithridate.core.results import Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.triggers.frame import Frame
from mithridate.triggers.inputs import Layout
from mithridate.triggers.sanitise import faded, median, shifted

__all__ = ["SanitiserDisagreement"]

_LEAST = 16  # shortest side of a picture; in smaller ones a pixel is much
_MOST, _FEWEST = 400, 40  # samples
_SURE = 0.25  # share of the samples that the model is less sure of than it has to be before and after
_VOTES = 3  # of the six changed copies that have to agree on another class
_CONTRAST, _NOISE = 0.9, 2 / 255  # contrast that is left; amplitude of noise, of the range
_QUERIES = 16  # for a sample: itself, with noise, six changed copies; and the same shifted before
_TOLD, _RARE = 0.01, 0.001  # p-values from which on it is told, and is more than a hint
_SHOWN, _PICTURED = 50, 4  # samples in the details, and in the picture

Values = NDArray[np.float32]

#: what is done to a sample → how.
_CHANGES: Mapping[str, Callable[[Values, Layout], Values]] = {
    "after a median filter": median,
    "with less contrast": lambda x, layout: faded(x, _CONTRAST, layout),
    "a pixel lower": lambda x, layout: shifted(x, 1, 0, layout),
    "a pixel higher": lambda x, layout: shifted(x, -1, 0, layout),
    "a pixel to the right": lambda x, layout: shifted(x, 0, 1, layout),
    "a pixel to the left": lambda x, layout: shifted(x, 0, -1, layout),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answers:
    """What a model says of samples and of changed copies.

    Attributes:
        x: (n, *shape) the samples.
        said: (n,) columns of the classes.
        sure: (n,) their probabilities.
        stable: (n,) whether a little noise leaves them.
        changed: (6, n) columns of the classes of the changed copies.
        changed_sure: (6, n) their probabilities.
    """

    x: Values
    said: NDArray[np.intp]
    sure: NDArray[np.float64]
    stable: NDArray[np.bool_]
    changed: NDArray[np.intp]
    changed_sure: NDArray[np.float64]

    def turned(self, bar: float) -> NDArray[np.intp]:
        """(n,) the class that a sure and stable answer turns into; -1 where it does not."""
        surely = (self.changed_sure >= bar) & (self.changed != self.said)
        votes = [np.sum(surely & (self.changed == one), axis=0) for one in self.changed]
        best = np.argmax(votes, axis=0)
        each = np.arange(len(self.said))
        enough = self.stable & (self.sure >= bar) & (np.max(votes, axis=0) >= _VOTES)
        return np.where(enough, self.changed[best, each], -1)


@model_check(
    Card(
        id="sanitiser-disagreement",
        title="sure answers that a shift by a pixel turns",
        stage="model",
        modalities=("model",),
        needs=("probabilities", "clean samples"),
        assumes="Whether a picture is shifted by a pixel says nothing about it: as given, pictures do not turn from "
        "one sure answer to another, under median, contrast and further shifts, more often than shifted ones do. A "
        "trigger that works at one place, pixel by pixel, is there as given only.",
        catches=None,
        misses="Triggers that no clean sample bears, or fewer than some 5 %; most that networks learnt from data: they "
        "know them a pixel further, too (6 of 42 told; TrojanNet's: 12 of 13); pictures smaller than 16 pixels.",
        effect="samples that turn as given only, less those that turn only when shifted before",
        cites="Xu, Evans, Qi, Feature Squeezing, NDSS 2018, section 3 (median); Li et al., arXiv:2104.02361 (shifted "
        "triggers fail); McNemar 1947, exact form",
        remedy="Look at the samples named and at what the change removes; do not use the model if something was "
        "stamped on them.",
        graded=True,
        reads_order=False,
    )
)
class SanitiserDisagreement(ModelCheck):
    """Asks about six changed copies of each sample, and the same of the samples shifted by a pixel, as control."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield the samples whose answers turn, where shifted ones do not; or a `Clear`."""
        frame = self.frame(scope, _LEAST, "a pixel is much in pictures")
        if isinstance(frame, NotApplicable):
            yield frame
            return
        count = min(_MOST, 0 if scope.clean is None else len(scope.clean), scope.left // _QUERIES)
        if scope.clean is None or count < _FEWEST:
            reason = f"it takes {_FEWEST} clean samples and {_QUERIES * _FEWEST} queries"
            yield NotApplicable(check=self.card.id, reason=reason)
            return
        rng = np.random.default_rng([scope.seed, 71])
        rows = drawn(scope.clean, count, rng)
        if len(rows) < _FEWEST:
            reason = f"{len(rows)} of {count} clean samples are no near copies of each other, too few"
            yield NotApplicable(check=self.card.id, reason=reason)
            return
        yield self._judged(scope, frame, rows, rng)

    def _judged(
        self, scope: ModelScope, frame: Frame, rows: NDArray[np.intp], rng: np.random.Generator
    ) -> Finding | Clear:
        assert scope.clean is not None
        x = scope.clean[rows].astype(np.float32)
        given = _asked(scope, x, rng)
        bar = float(np.quantile(given.sure, _SURE))
        after = given.turned(bar)
        turned = after >= 0
        limit = "a trigger in some 5 % of the samples that works at one place, pixel by pixel"
        if not turned.any():
            return self.clear(scope, f"no sure answer of {len(x)} is turned by a shift or a filter", limit)
        control = _asked(scope, shifted(x, 1, 1, scope.layout), rng).turned(bar) >= 0
        only, back = int((turned & ~control).sum()), int((control & ~turned).sum())
        p_value = _coin(only, only + back)
        if p_value > _TOLD:
            told = (
                f"{turned.sum()} of {len(x)} sure answers are turned by a shift or a filter, and {control.sum()} of "
                "the same pictures shifted before: no more than honest pictures do"
            )
            return replace(self.clear(scope, told, limit), p_value=p_value)
        odd = np.flatnonzero(turned & ~control)
        odd = odd[np.argsort(-given.sure[odd], kind="stable")]
        names = [scope.sample_name(int(rows[k])) for k in odd]
        exhibit = _gallery(
            scope, frame, given, after, list(zip(odd.tolist(), names, strict=True))[:_PICTURED]
        )
        before = [scope.class_name(int(given.said[k])) for k in odd]
        return self._finding(scope, (names, before, len(x), back), p_value, exhibit)

    def _finding(
        self,
        scope: ModelScope,
        seen: tuple[list[str], list[str], int, int],
        p_value: float,
        exhibit: Exhibit,
    ) -> Finding:
        names, before, count, back = seen
        most = max(sorted(set(before)), key=before.count)
        told = (
            f"{len(names)} of {count} clean samples turn from one sure answer ({most!r} for {before.count(most)} of "
            f"them) to another when shifted by a pixel or filtered; {back} do so only when shifted before (p = "
            f"{p_value:.2g}): something works at its very place, as a trigger does; see {', '.join(names[:3])}"
        )
        finding = self.found(
            scope,
            Severity.SUSPICIOUS if p_value <= _RARE else Severity.INFO,
            told,
            rule="TURNED_BY_SANITISERS",
            label=most,
            effect=float(len(names) - back),
            exhibits=(exhibit,),
            samples=names[:_SHOWN],
            control=back,
        )
        return replace(finding, p_value=p_value)


def _asked(scope: ModelScope, x: Values, rng: np.random.Generator) -> _Answers:
    """Ask about samples, with a little noise, and changed in six ways."""
    p = scope.ask(x)
    noise = rng.uniform(-_NOISE, _NOISE, x.shape).astype(np.float32) * np.float32(scope.high - scope.low)
    noisy = scope.ask(np.clip(x + noise, scope.low, scope.high))
    changed = [scope.ask(change(x, scope.layout)) for change in _CHANGES.values()]
    said = p.argmax(axis=1)
    return _Answers(
        x=x,
        said=said,
        sure=p.max(axis=1).astype(np.float64),
        stable=noisy.argmax(axis=1) == said,
        changed=np.stack([q.argmax(axis=1) for q in changed]),
        changed_sure=np.stack([q.max(axis=1) for q in changed]).astype(np.float64),
    )


def _coin(heads: int, tosses: int) -> float:
    """Probability of so many heads or more with a fair coin."""
    tail: float = sum(comb(tosses, k) for k in range(heads, tosses + 1)) / 2**tosses
    return tail


def _gallery(
    scope: ModelScope, frame: Frame, given: _Answers, after: NDArray[np.intp], odd: list[tuple[int, str]]
) -> Exhibit:
    """Samples as they are, and changed so that the answer turns."""
    items = []
    for k, name in odd:
        x = given.x[k : k + 1]
        way, change = next(
            pair
            for pair, column in zip(_CHANGES.items(), given.changed[:, k], strict=True)
            if column == after[k]
        )
        was, turned = scope.class_name(int(given.said[k])), scope.class_name(int(after[k]))
        for shown, caption in ((x, was), (change(x, scope.layout), f"{turned}, {way}")):
            items.append({"id": name, "png": thumbnail(frame.shown(shown)[0]), "caption": caption})
    return Exhibit(kind="gallery", title="Samples as given and changed", data={"items": items})
