"""Which of the groups that the checks propose is to blame, if any."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mithridate.checks.trace_check import TRACE_CHECKS, TraceScope
from mithridate.evidence.conflict import telling_columns
from mithridate.evidence.trait import OWN, grow
from mithridate.evidence.unlearning import Unlearned, unlearn
from mithridate.evidence.valley import Split, joined

__all__ = ["Blamed", "Judged", "judge"]

_ALIKE, _ALIKE_GAP = 0.6, 1.0  # overlap with the group, and valley, of what is taken together with it


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
    seen: list[Split] = []
    best: dict[str, float] = {}
    for kind in TRACE_CHECKS:
        splits = [s for s in kind().split(scope) if s.inside > 0.5]
        best[kind.card.id] = max([0.0, *(s.gap for s in splits)])
        seen += splits
        for split in splits:
            if split.apart:
                unlearned = unlearn(scope.level(split.where), split.members, scope.seed)
                if unlearned.guilty:
                    guilty.append(Blamed(check=kind.card.id, split=split, unlearned=unlearned))
    return Judged(blamed=_sifted(_whole(guilty, seen), scope), best=best)


def _whole(guilty: list[Blamed], seen: list[Split]) -> Blamed | None:
    """The group that stands apart most clearly, made whole.

    The largest group that holds half of it takes its place; and where other levels see much the same group, their
    scores are taken together: what one sees badly another sees well.
    """
    if not guilty:
        return None
    clearest = max(guilty, key=lambda b: b.split.gap)
    core = set(clearest.split.members.tolist())
    holding = [b for b in guilty if 2 * len(core & set(b.split.members.tolist())) >= len(core)]
    largest = max(holding, key=lambda b: (len(b.split.members), b.split.gap))
    mine = set(largest.split.members.tolist())
    alike = [s for s in seen if s.gap >= _ALIKE_GAP and _jaccard(mine, set(s.members.tolist())) >= _ALIKE]
    if len(alike) < 2:
        return largest
    members, scores = joined(alike, OWN)
    return replace(largest, split=replace(largest.split, members=members, scores=scores))


def _jaccard(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b)


def _sifted(blamed: Blamed | None, scope: TraceScope) -> Blamed | None:
    """The group seen only by what comes with content of other labels, where there is such."""
    if blamed is None:
        return None
    level = scope.level(blamed.split.where)
    columns = telling_columns(level, blamed.split.members)
    if columns is None:
        return blamed
    fewer = (level.same[:, columns], level.others[:, columns], level.incidents[:, columns])
    sub = replace(level, same=fewer[0], others=fewer[1], incidents=fewer[2], content=None)
    return replace(blamed, split=next((s for s in grow([sub]) if s.apart), blamed.split))
