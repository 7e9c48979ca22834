"""Probes: how well a part of every sample alone predicts the label (border, thumbnail, grain, metadata, ...).

A part that should not matter and predicts the label is a shortcut (Geirhos et al., "Shortcut learning in deep neural
networks", Nature Machine Intelligence 2, 2020). Every part gets the same small model, fitted out of fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.hashing import keyed_hash, uniform
from mithridate.engines.threads import one_thread
from mithridate.evidence.content.fourier import Fourier
from mithridate.evidence.content.logistic import FOLDS
from mithridate.evidence.content.ridge import Task, fit_ridge
from mithridate.evidence.view import Probe

__all__ = ["Part", "asked", "fit_probes"]

_MOST = 20_000  # samples asked; what a part says of whole classes needs no more
_FEWEST = 30
_PER = 8  # samples for each smooth function


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of every sample that can be looked at alone.

    Attributes:
        name: short, e.g. "border".
        noun: as in a sentence, e.g. "the border alone".
        features: rows → (r, d) numbers.
        smooth: whether smooth functions of the numbers are worth asking; of marks that are there or not they are not.
        details: (rows, (r,) whether each bears the class in question) → JSON values that tell how to draw it.
    """

    name: str
    noun: str
    features: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    details: Callable[[NDArray[np.int64], NDArray[np.bool_]], Mapping[str, Any]]
    smooth: bool = True


def asked(
    ids: Sequence[str], labels: NDArray[np.int32], groups: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """(m,) rows that are asked, in an order that hangs on ids alone: labelled, one of each near-duplicate group."""
    rank = keyed_hash(ids, seed, "probe")
    known = np.flatnonzero(labels >= 0)
    ordered = known[np.argsort(rank[known], kind="stable")]
    _, firsts = np.unique(groups[ordered], return_index=True)
    return ordered[np.sort(firsts)][:_MOST]


def fit_probes(
    parts: Sequence[Part],
    ids: Sequence[str],
    labels: NDArray[np.int32],
    classes: int,
    groups: NDArray[np.int64],
    seed: int,
) -> dict[str, Probe]:
    """Ask every part.

    Args:
        parts: what can be looked at alone.
        ids: n ids.
        labels: (n,) class index, -1 = missing.
        classes: k >= 2.
        groups: (n,) near-duplicate group of each sample.
        seed: decides who is asked, folds and random features.

    Returns:
        By name of the part; empty where too few samples have a label.
    """
    rows = asked(ids, labels, groups, seed)
    if len(rows) < _FEWEST:
        return {}
    own = labels[rows]
    folds = (uniform([ids[row] for row in rows.tolist()], seed, "probe fold") * FOLDS).astype(np.int8)
    order = np.argsort(rows)
    probes = {}
    for part in parts:
        features = part.features(rows)
        if not features.shape[1]:
            continue
        with one_thread():
            seen = _standardised(features)
            if part.smooth:
                seen = np.concatenate([seen, Fourier.learn(seen, seed, _PER)(seen)], axis=1)
        task = _task(seen, own, classes, folds)
        fitted = fit_ridge(task, task.moments(), refit=False)
        probes[part.name] = Probe(
            noun=part.noun,
            rows=rows[order],
            logits=fitted.logits[order],
            details=_drawn(part, rows[order], own[order]),
        )
    return probes


def _drawn(part: Part, rows: NDArray[np.int64], own: NDArray[np.int32]) -> Callable[[int], Mapping[str, Any]]:
    return lambda label: part.details(rows, own == label)


def _standardised(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """In units of their spread; what never differs stays 0."""
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0), np.float32)


def _task(
    features: NDArray[np.float32], labels: NDArray[np.int32], classes: int, folds: NDArray[np.int8]
) -> Task:
    return Task(
        features=lambda: iter([(0, features)]),
        labels=labels,
        classes=classes,
        folds=folds,
        d=features.shape[1],
    )
