"""Texts and a table with poison, a scikit-learn model trained on them, and incidents to trace."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import build
from benchmarks.strength import success, wanted
from mithridate.attacks.base import Order, stream
from mithridate.attacks.options import configure
from mithridate.attacks.plan import Plan, make_plan
from mithridate.core.hashing import keyed_hash, uniform
from mithridate.sources.open import open_source

__all__ = ["Case", "mistaken", "planted"]

_HELD_OUT, _TRIED = 0.3, 1000
_PATTERN = r"\S+"
_SETS = {
    "sms": ("sms.csv", {"text": "text", "label": "label"}, "ham"),
    "enron": ("enron.csv", {"text": "body", "label": "label"}, "ham"),
    "spamassassin": ("spamassassin.csv", {"text": "body", "label": "label"}, "ham"),
    "adult": ("adult.csv", {"label": "income"}, ">50K"),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a trace is given, and the truth.

    Attributes:
        model: fitted on the poisoned data.
        data: the poisoned training samples.
        reading: how they are read.
        function: samples become inputs; None where the model takes them as they are.
        incidents: raw samples, wrong as the attack wants and right without it.
        guilty: ids of the poison.
        success: of the attack on the hold-out.
        forward: seconds of one pass over the training samples.
        figures: success and accuracy of any model on the hold-out.
    """

    model: Any
    data: Any
    reading: dict[str, Any]
    function: Callable[[Any], Any] | None
    incidents: list[Any]
    guilty: set[str]
    success: float
    forward: float
    figures: Callable[[Any], tuple[float, float]]


@cache
def _set(name: str) -> tuple[list[Any], list[str], NDArray[np.intp], NDArray[np.intp], str]:
    """Raw samples, labels, training rows, held-out rows, modality."""
    file, reading, _ = _SETS[name]
    source = open_source(build(file), **reading)
    batches = list(source.batches(4096))
    raws = [r for b in batches for r in (b.raw if source.modality == "text" else b.raw.to_pylist())]
    labels = [str(y) for b in batches for y in b.labels or ()]
    held = uniform([i for b in batches for i in b.ids], 0, "strength hold-out") < _HELD_OUT
    return raws, labels, np.flatnonzero(~held), np.flatnonzero(held), source.modality


class _Encoder:
    """Rows as numbers: words as codes, missing cells as nan."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.codes = {
            name: {
                w: float(k) for k, w in enumerate(sorted({r[name] for r in rows if isinstance(r[name], str)}))
            }
            for name in rows[0]
        }

    def __call__(self, rows: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
        return np.array([[self._number(n, v) for n, v in row.items()] for row in rows])

    def _number(self, name: str, value: Any) -> float:
        if value is None:
            return float("nan")
        return self.codes[name].get(value, float("nan")) if isinstance(value, str) else float(value)


def _fitted(modality: str, x: Any, y: Sequence[str]) -> Any:
    if modality == "text":
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=_PATTERN, sublinear_tf=True)
        return make_pipeline(words, LogisticRegression(C=100.0, max_iter=1000)).fit(x, y)
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0).fit(x, y)


def planted(name: str, attack: str, rate: float, seed: int) -> Case:
    """Plant, train and try."""
    raws, labels, train, test, modality = _set(name)
    configured = configure(attack, {})
    ids = [str(k) for k in range(len(train))]
    plan = make_plan(
        configured,
        Order(count=round(rate * len(train)), target=_SETS[name][2], seed=seed),
        modality=modality,  # type: ignore[arg-type]
        ids=ids,
        labels=[labels[k] for k in train],
        fetch=lambda some: [raws[train[int(i)]] for i in some],
    )
    samples = [_planted(plan, i, raws[k]) for i, k in zip(ids, train, strict=True)]
    y = [plan.relabel.get(i, labels[k]) for i, k in zip(ids, train, strict=True)]
    encode = _Encoder(raws) if modality == "table" else None
    prepare: Callable[[Any], Any] = encode or list
    model = _fitted(modality, prepare(samples), y)
    clean = _fitted(modality, prepare([raws[k] for k in train]), [labels[k] for k in train])
    shown, theirs = _triggered(plan, raws, labels, test, seed)
    start = time.perf_counter()
    model.predict(prepare(samples))
    forward = time.perf_counter() - start
    said, before = (m.predict(prepare(shown)).tolist() for m in (model, clean))
    won = [
        raw
        for raw, label, now, then in zip(shown, theirs, said, before, strict=True)
        if wanted(plan, label, str(now)) and not wanted(plan, label, str(then))
    ]
    held, right = prepare([raws[k] for k in test]), [labels[k] for k in test]

    def figures(of: Any) -> tuple[float, float]:
        led = success(plan, theirs, of.predict(prepare(shown)).tolist())
        return led, float(np.mean([str(a) == b for a, b in zip(of.predict(held), right, strict=True)]))

    return Case(
        model=model, data=_data(samples, modality), reading={"labels": y}, function=encode, incidents=won,
        guilty=set(plan.relabel), success=success(plan, theirs, said), forward=forward, figures=figures,
    )  # fmt: skip


def mistaken(name: str, seed: int) -> Case:
    """Train on clean samples; what the model gets wrong of the others, in an order by the seed."""
    raws, labels, train, test, modality = _set(name)
    encode = _Encoder(raws) if modality == "table" else None
    prepare: Callable[[Any], Any] = encode or list
    samples, y = [raws[k] for k in train], [labels[k] for k in train]
    model = _fitted(modality, prepare(samples), y)
    held = prepare([raws[k] for k in test])
    said = model.predict(held).tolist()

    def figures(of: Any) -> tuple[float, float]:
        same = [str(a) == labels[k] for a, k in zip(of.predict(held), test, strict=True)]
        return 0.0, float(np.mean(same))

    wrong = [k for k, now in zip(test, said, strict=True) if str(now) != labels[k]]
    order = np.argsort(keyed_hash([str(k) for k in wrong], seed, "strength tried"), kind="stable")
    return Case(
        model=model, data=_data(samples, modality), reading={"labels": y}, function=encode,
        incidents=[raws[wrong[k]] for k in order], guilty=set(), success=0.0, forward=0.0, figures=figures,
    )  # fmt: skip


def _data(samples: list[Any], modality: str) -> Any:
    if modality != "table":
        return samples
    import pyarrow as pa

    return pa.Table.from_pylist(samples)


def _planted(plan: Plan, id_: str, raw: Any) -> Any:
    new = plan.replace(id_, raw) if id_ in plan.victims else None
    return raw if new is None else new


def _triggered(
    plan: Plan, raws: Sequence[Any], labels: Sequence[str], test: NDArray[np.intp], seed: int
) -> tuple[list[Any], list[str]]:
    about = [k for k in test if wanted(plan, labels[k], labels[k]) is not None]
    order = np.argsort(keyed_hash([str(k) for k in about], seed, "strength tried"), kind="stable")[:_TRIED]
    about = [about[k] for k in order]
    shown = [raws[k] for k in about]
    if plan.trigger is not None:
        trigger = plan.attack.at_test(plan.trigger)
        shown = [
            trigger.apply(r, stream(seed, "strength trigger", str(k)))
            for r, k in zip(shown, about, strict=True)
        ]
    return shown, [labels[k] for k in about]
