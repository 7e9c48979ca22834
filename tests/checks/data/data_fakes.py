"""Evidence made by hand, run through one check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mithridate.checks.base import DATA_CHECKS
from mithridate.core.verdict import ALPHA
from mithridate.evidence.view import Evidence
from mithridate.runs.driver import run_checks

#: What a check must stay below when a dozen checks share the budget.
SHARE = ALPHA / 12


@dataclass
class Content:
    logits: np.ndarray
    accuracy: float


def evidence(y, logits=None, *, classes=None, groups=None, copies=None, sources=None, vectors=None, ids=None):
    n = len(next(iter(vectors.values()))) if y is None else len(y)
    k = int(max(y)) + 1 if classes is None and y is not None else 0
    copies = np.arange(n) if copies is None else copies
    return Evidence(
        modality="table",
        ids=[f"s{i}" for i in range(n)] if ids is None else ids,
        labels=None if y is None else np.asarray(y, np.int32),
        classes=tuple(f"c{i}" for i in range(k)) if classes is None else classes,
        sources=None if sources is None else np.asarray(sources, np.int32),
        source_names=() if sources is None else tuple(f"site {i}" for i in range(int(max(sources)) + 1)),
        groups=np.asarray(copies if groups is None else groups, np.int64),
        copies=np.asarray(copies, np.int64),
        content=None if logits is None else Content(np.asarray(logits, np.float32), 0.9),
        tables={},
        vectors=vectors or {},
    )


def run(check_id, ev, *, size=4096, jobs=1):
    """All results of one check."""
    return list(run_checks([DATA_CHECKS.get(check_id)], ev, size=size, jobs=jobs).results)
