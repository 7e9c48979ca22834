"""Who is shown beside the accused: their nearest neighbours that do not carry what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from mithridate.core.results import Finding, Result
from mithridate.evidence.view import Evidence
from mithridate.report.exhibits import MOST_FINDINGS
from mithridate.report.exhibits.samples import OTHERS

__all__ = ["with_others"]


def with_others(results: Sequence[Result], evidence: Evidence) -> list[Result]:
    """Name in `details["others"]`, for each finding that gets pictures, a non-carrier near each of its worst samples.

    Args:
        results: graded, worst first.
        evidence: of the same data.
    """
    if evidence.nearest is None:
        return list(results)
    chosen = {n: r for n, r in enumerate(results) if isinstance(r, Finding) and "pairs" not in r.details}
    chosen = dict(islice(chosen.items(), MOST_FINDINGS))
    asked = {i for finding in chosen.values() for i in finding.targets[:OTHERS]}
    rows = {i: row for row, i in enumerate(evidence.ids) if i in asked}
    if not rows:
        return list(results)
    order = np.array(sorted(rows.values()), dtype=np.int64)
    near = dict(zip(order.tolist(), evidence.nearest(order).tolist(), strict=True))
    done = list(results)
    for n, finding in chosen.items():
        mine = [near[rows[i]] for i in finding.targets[:OTHERS] if i in rows]
        others = _first_free(mine, evidence.ids, set(finding.targets))
        done[n] = replace(finding, details={**finding.details, "others": others})
    return done


def _first_free(near: Sequence[Sequence[int]], ids: Sequence[str], carriers: set[str]) -> list[str]:
    """Of each sample's neighbours, the nearest that is neither a carrier nor taken."""
    taken: dict[str, None] = {}
    for neighbours in near:
        free = (ids[row] for row in neighbours if row >= 0)
        taken |= dict.fromkeys(islice((i for i in free if i not in carriers and i not in taken), 1))
    return list(taken)
