"""Which of the groups that the checks propose is to blame, if any."""

from __future__ import annotations

from dataclasses import dataclass

from mithridate.checks.trace_check import TRACE_CHECKS, TraceScope
from mithridate.evidence.unlearning import Unlearned, unlearn
from mithridate.evidence.valley import Split

__all__ = ["Blamed", "Judged", "judge"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Blamed:
    """A group that stands apart, with the incidents in it, and whose unlearning takes the answer away.

    Attributes:
        check: that found it.
        split: the group.
        unlearned: what its unlearning does.
    """

    check: str
    split: Split
    unlearned: Unlearned


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What came of all proposals.

    Attributes:
        blamed: the group to blame, the largest where several checks or levels agree; None where there is none.
        best: the widest valley that each check saw with the incidents beyond it; 0 where there was none.
    """

    blamed: Blamed | None
    best: dict[str, float]


def judge(scope: TraceScope) -> Judged:
    """Ask every check, and confirm what it proposes by unlearning it."""
    guilty: list[Blamed] = []
    best: dict[str, float] = {}
    for kind in TRACE_CHECKS:
        splits = kind().split(scope)
        best[kind.card.id] = max([0.0, *(s.gap for s in splits if s.inside > 0.5)])
        for split in splits:
            if split.apart:
                unlearned = unlearn(scope.level(split.where), split.members, scope.seed)
                if unlearned.guilty:
                    guilty.append(Blamed(check=kind.card.id, split=split, unlearned=unlearned))
    return Judged(blamed=_largest(guilty), best=best)


def _largest(guilty: list[Blamed]) -> Blamed | None:
    """Of the groups that hold half of the one that stands apart most clearly, the largest."""
    if not guilty:
        return None
    clearest = max(guilty, key=lambda b: b.split.gap)
    core = set(clearest.split.members.tolist())
    holding = [b for b in guilty if 2 * len(core & set(b.split.members.tolist())) >= len(core)]
    return max(holding, key=lambda b: (len(b.split.members), b.split.gap))
