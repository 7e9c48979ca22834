"""Who else belongs to a finding, and who does not: what its carriers share, looked for in all samples of the label.

A key is a corner of a trigger: some victims lack it, some innocents have it by chance. Where a family can tell what
the carriers share beyond the key, a sample of the label is accused by two witnesses: how clear that is in it against
the samples of other labels, and how much the rest of its content speaks against the label. No finding comes of it, and
none goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import Scope
from mithridate.checks.excess import SURE
from mithridate.checks.ranks import log_odds
from mithridate.checks.tally import Named, Suspect, accusing_alike

__all__ = ["refined"]

_FINDINGS = 4  # that are refined, strongest first
_ATTESTED, _AGREED = 0.5, 0.5  # of the best log10 p; share of the keys so attested that a certain carrier has
_WORTH, _MOST = 0.1, 1000  # rate by chance, and number, of the samples whose content is asked
_DOUBT = 0.25  # probability of innocence up to which a sample is named
_STANDS = 0.5  # of the certain carriers that must be named again, or the finding stays as it was


def refined(scope: Scope, suspects: Sequence[Suspect]) -> list[Suspect]:
    """The same suspects; those of a thing that could be looked for with the samples it was found in.

    Args:
        scope: tables, `leave_out` and sizes of classes.
        suspects: judged, strongest first.
    """
    found = list(suspects)
    if scope.leave_out is None:
        return found
    for members in accusing_alike(suspects)[:_FINDINGS]:
        named = _named(scope, [suspects[m] for m in members])
        if named is not None:
            for m in members:
                found[m] = replace(suspects[m], named=named)
    return found


def _named(scope: Scope, members: Sequence[Suspect]) -> Named | None:
    """Who is accused of one thing; None where nothing better is known than who carries its keys."""
    best = next((s for s in members if scope.tables[s.family].refine is not None), None)
    refine = None if best is None else scope.tables[best.family].refine
    if best is None or refine is None or scope.leave_out is None:
        return None
    certain = _certain([s for s in members if s.label == best.label])
    shared = refine(best.key, certain) if len(certain) else None
    if shared is None:
        return None
    worth = np.sort(np.argsort(shared.rates, kind="stable")[:_MOST])
    worth = worth[shared.rates[worth] <= _WORTH]
    if not len(worth):
        return None
    odds = log_odds(scope.leave_out(shared.rows[worth]), best.label)
    size, n = int(scope.sizes[best.label]), int(scope.sizes.sum())
    # Bayes: one of size / certain in the class is a victim; innocents are as clear at the rate of chance; and content
    # like this is so much more frequent in the class than elsewhere.
    content = np.maximum(np.exp(np.minimum(odds, 50.0)), SURE) * (n - size) / max(size, 1)
    honest = size / len(certain) * shared.rates[worth] * content
    doubts = honest / (1.0 + honest)
    named = worth[doubts <= _DOUBT]
    rows = shared.rows[named]
    if np.isin(certain, rows).sum() < _STANDS * len(certain):
        return None
    return Named(
        rows=rows, doubts=doubts[doubts <= _DOUBT], places=shared.places[named], details=shared.details
    )


def _certain(members: Sequence[Suspect]) -> NDArray[np.int64]:
    """Ascending rows that bear the label and carry most of the keys that are well attested."""
    bar = _ATTESTED * members[0].log10_p
    attested = [s.bearers.tolist() for s in members if s.log10_p <= bar and s.bearers is not None]
    votes = Counter(row for bearers in attested for row in bearers)
    rows = sorted(row for row, times in votes.items() if times >= _AGREED * len(attested))
    return np.array(rows, dtype=np.int64)
