"""A second look at suspects: their carriers, and what content says of these when the model has not seen them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.base import Scope
from mithridate.checks.tally import Suspect, alike, with_carriers, with_kin

__all__ = ["prepared"]

_CROWD = 1000  # most carriers of a key that gets a second look
_BUDGET = 8_000  # most carriers that all second looks together take
# Models fitted for it, at most: in all, and for keys that do not stand out at the first look.
_REFITS, _DOUBTS = 60, 8

LeaveOut = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def prepared(scope: Scope, suspects: list[Suspect], cut: Callable[[str], float]) -> list[Suspect]:
    """The suspects with their carriers, and with logits from a model that has not seen these.

    Args:
        scope: tables and `leave_out`.
        suspects: strongest first.
        cut: family → uncorrected log10 p that is significant.
    """
    leave_out = scope.leave_out
    if leave_out is None:
        return [with_kin(scope, s) for s in suspects]
    cheap = [s for s in suspects if scope.tables[s.family].kin is not None]
    dear = [s for s in suspects if scope.tables[s.family].kin is None]
    return _unseen(scope, cheap, leave_out) + _refitted(with_carriers(scope, dear), leave_out, cut)


def _unseen(scope: Scope, suspects: list[Suspect], leave_out: LeaveOut) -> list[Suspect]:
    """Suspects of families with kin, strongest first, within a budget of carriers; the same carriers count once."""
    done: list[Suspect] = []
    looked: dict[bytes, NDArray[np.float32] | None] = {}
    budget = _BUDGET
    for suspect in (with_kin(scope, s) for s in suspects):
        if budget < scope.tables[suspect.family].least:
            break
        assert suspect.rows is not None
        mark = suspect.rows.tobytes()
        if mark not in looked:
            if len(suspect.rows) > min(_CROWD, budget):
                continue
            budget -= len(suspect.rows)
            without = scope.tables[suspect.family].without
            looked[mark] = leave_out(suspect.rows) if without is None else without(suspect.key, suspect.rows)
        logits = looked[mark]
        if logits is not None:
            done.append(replace(suspect, logits=logits))
    return done


def _refitted(suspects: list[Suspect], leave_out: LeaveOut, cut: Callable[[str], float]) -> list[Suspect]:
    """One model for all suspects with mostly the same carriers; the first look decides who else gets one."""
    done: list[Suspect] = []
    doubts = 0
    for number, members in enumerate(alike(suspects)):
        doubtful = suspects[members[0]].log10_p > cut(suspects[members[0]].family)
        doubts += doubtful
        if number >= _REFITS or (doubtful and doubts > _DOUBTS):
            done += [suspects[m] for m in members if not doubtful]
            continue
        carried = [np.asarray(suspects[m].rows) for m in members]
        rows = np.unique(np.concatenate(carried))
        logits = leave_out(rows)
        done += [
            replace(suspects[m], logits=logits[np.searchsorted(rows, mine)])
            for m, mine in zip(members, carried, strict=True)
        ]
    return done
