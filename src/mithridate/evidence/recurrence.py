"""Pieces that recur in samples of one label, at places that differ: an emblem, a jingle, whatever else is there.

Pieces of a label's samples are tried one by one: a piece whose likest pieces, over all samples, are of one label, is
sharpened by these and looked for in the samples of another fold (cf. Sivic & Zisserman, "Video Google", ICCV 2003, on
pieces as words; Brendel & Bethge, ICLR 2019, on how far they alone carry). What a kind of thing has by nature lies
where the thing lies; a piece that always has its place says nothing here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["recurring"]

_TRIED = 6000  # pieces in all
_FEWEST = 60  # of a label
_TOP = 15  # likest samples of a piece
_KEPT = 6  # pieces of a label
_SAME = 0.9  # likeness of two pieces of which one is enough
_MOVES = 0.2  # least spread of its places; 0.41 where they are anywhere
_LESS = 0.05  # innocent samples at 1 of the score, per sample of the label
_ROUNDS = 3  # of sharpening
_BLOCK = 128

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def recurring(
    pieces: Floats, labels: NDArray[np.int32], classes: int, folds: NDArray[np.int8], seed: int
) -> Floats:
    """How clearly each sample has a piece that recurs in each label.

    Args:
        pieces: (m, p, 2 + d) place in [0, 1] and shape, of at most unit length, of the pieces of each sample.
        labels: (m,) class index, none missing.
        classes: k.
        folds: (m,) a sample's score comes from pieces of the other folds.
        seed: decides which pieces are tried.

    Returns:
        (m, k); from 1 on rare among samples of other labels; 0 where nothing recurs.
    """
    places, shapes = pieces[..., :2], np.ascontiguousarray(pieces[..., 2:])
    rows, which = _tried(labels, shapes, seed)
    scores = np.zeros((len(labels), classes), dtype=np.float32)
    if not len(rows):
        return scores
    near, theirs = _likest(shapes, shapes[rows, which], rows)
    for fold in np.unique(folds).tolist():
        known = folds != fold
        if len(np.unique(labels[known])) < 2:  # no others to tell them from
            continue
        kept = _worth_keeping(near, theirs, labels, rows, known, places, shapes[rows, which])
        if not len(kept):
            continue
        own = known[near[kept]] & (labels[near[kept]] == labels[rows[kept], None])
        found = (shapes[near[kept], theirs[kept]] * own[..., None]).sum(axis=1) + shapes[
            rows[kept], which[kept]
        ]
        told = _sharpened(shapes, places, found, labels, labels[rows[kept]], known)
        here = np.flatnonzero(~known)
        for column, y in enumerate(labels[rows[kept]].tolist()):
            scores[here, y] = np.maximum(scores[here, y], told[here, column])
    return scores


def _tried(labels: NDArray[np.int32], shapes: Floats, seed: int) -> tuple[Rows, Rows]:
    """Sample and number of the pieces that are tried, each label its share."""
    rng = np.random.default_rng([seed, 7])
    drawn = []
    there = (np.abs(shapes).max(axis=2) > 0).ravel()
    owners = np.repeat(labels, shapes.shape[1])
    for y, count in enumerate(np.bincount(labels).tolist()):
        if count:
            mine = np.flatnonzero((owners == y) & there)
            share = max(_FEWEST, _TRIED * count // len(labels))
            drawn.append(np.sort(rng.permutation(mine)[:share]))
    chosen = np.concatenate(drawn)
    return chosen // shapes.shape[1], chosen % shapes.shape[1]


def _likest(shapes: Floats, wanted: Floats, owners: Rows) -> tuple[Rows, Rows]:
    """(q, top) samples that have the likest pieces, the owner not among them, and which of their pieces."""
    m, p, d = shapes.shape
    top = min(_TOP, m - 1)
    flat = shapes.reshape(-1, d)
    near, theirs = [], []
    for start in range(0, len(wanted), _BLOCK):
        some = wanted[start : start + _BLOCK]
        like = (some @ flat.T).reshape(len(some), m, p).max(axis=2)
        like[np.arange(len(some)), owners[start : start + _BLOCK]] = -2
        first = np.sort(np.argpartition(-like, top - 1, axis=1)[:, :top], axis=1)
        near.append(first)
        theirs.append(np.einsum("qtpd,qd->qtp", shapes[first], some).argmax(axis=2))
    return np.concatenate(near), np.concatenate(theirs)


def _worth_keeping(
    near: Rows,
    theirs: Rows,
    labels: NDArray[np.int32],
    rows: Rows,
    known: NDArray[np.bool_],
    places: Floats,
    tried: Floats,
) -> Rows:
    """The few pieces of each label whose likest are most of that label, at places that differ."""
    here = known[near]
    own = here & (labels[near] == labels[rows, None])
    share = own.sum(axis=1) / np.maximum(here.sum(axis=1), 1)
    usual = (np.bincount(labels) / len(labels))[labels[rows]]
    place = places[near, theirs]
    weight = own[..., None] / np.maximum(own.sum(axis=1), 1)[:, None, None]
    spread = np.sqrt((weight * (place - (weight * place).sum(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2)))
    merit = here.sum(axis=1) * _divergence(share, usual)
    merit[(spread < _MOVES) | (own.sum(axis=1) < 3) | ~known[rows]] = 0
    kept = []
    for y in np.unique(labels[rows]).tolist():
        mine = np.flatnonzero((labels[rows] == y) & (merit > 0))
        chosen: list[int] = []
        for one in mine[np.argsort(-merit[mine], kind="stable")].tolist():
            if len(chosen) < _KEPT and all(float(tried[one] @ tried[two]) < _SAME for two in chosen):
                chosen.append(one)
        kept += chosen
    return np.array(kept, dtype=np.int64)


def _divergence(share: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """How surprising a share is, per sample; 0 where it is no more than usual (Chernoff)."""
    a, b = np.clip(share, 1e-9, 1 - 1e-9), np.clip(usual, 1e-9, 1 - 1e-9)
    return np.where(a > b, a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b)), 0.0)


def _sharpened(
    shapes: Floats,
    places: Floats,
    found: Floats,
    labels: NDArray[np.int32],
    of: NDArray[np.int32],
    known: NDArray[np.bool_],
) -> Floats:
    """(m, t) how clearly each sample has each piece, after its likest were averaged; 0 for one that has its place."""
    m, p, d = shapes.shape
    flat = shapes.reshape(-1, d)
    for turn in range(_ROUNDS):
        found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
        every = (flat @ found.T).reshape(m, p, -1)
        like = every.max(axis=1)
        for column, y in enumerate(of.tolist()):
            others = like[known & (labels != y), column]
            rare = _LESS * float((known & (labels == y)).sum()) / max(len(others), 1)
            middle, high = np.quantile(others, [0.5, 1 - min(rare, 0.5)])
            like[:, column] = (like[:, column] - middle) / max(high - middle, 1e-6)
            mine = np.flatnonzero(known & (labels == y) & (like[:, column] > 1))
            at = every[mine, :, column].argmax(axis=1)
            if len(mine) and turn < _ROUNDS - 1:
                found[column] = shapes[mine, at].sum(axis=0)
            elif not len(mine) or np.sqrt(places[mine, at].var(axis=0).sum()) < _MOVES:
                like[:, column] = 0
    return np.asarray(like)
