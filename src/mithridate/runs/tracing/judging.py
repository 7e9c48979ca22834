"""Which of the groups that the checks propose is to blame, if any."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mithridate.checks.trace_check import TRACE_CHECKS, TraceScope
from mithridate.evidence.conflict import telling_columns
from mithridate.evidence.foreign import Content
from mithridate.evidence.trait import OWN, grow
from mithridate.evidence.transplant import transplant
from mithridate.evidence.unlearning import Unlearned, unlearn
from mithridate.evidence.valley import Split, joined
from mithridate.models.levels import INPUTS, LAST

__all__ = ["Blamed", "Judged", "judge"]

_FOREIGN = 0.65  # of a group has content of other labels
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
    """Ask every check, and confirm what it proposes: by its content, and by unlearning it."""
    dense = [level for level in scope.levels if level.content is None]
    # To the last layer poison looks like the answer; elsewhere it looks like what it is.
    content = Content([level for level in dense if level.name != LAST] or dense)
    guilty: list[Blamed] = []
    worded: list[Blamed] = []
    seen: list[Split] = []
    best: dict[str, float] = {}
    for kind in TRACE_CHECKS:
        splits = [s for s in kind().split(scope) if s.inside > 0.5]
        best[kind.card.id] = max([0.0, *(s.gap for s in splits)])
        seen += splits
        for split in splits:
            sifted = _sifted(split, scope, content) if split.apart else None
            if sifted is not None:
                unlearned = unlearn(scope.level(split.where), sifted.members, scope.seed)
                by_word = sifted is not split
                if unlearned.guilty(*(0.0, 1.0) if by_word else (split.loses, split.times)):
                    blamed = Blamed(check=kind.card.id, split=sifted, unlearned=unlearned)
                    (worded if by_word else guilty).append(blamed)
    # Words and values are what somebody planted, in person; levels of features hold them among other things.
    clearest = max(worded, key=lambda b: (b.split.gap, -len(b.split.members)), default=None)
    return Judged(blamed=clearest or _whole(guilty, seen), best=best)


def _sifted(split: Split, scope: TraceScope, content: Content) -> Split | None:
    """The group, None without content of other labels, or effect on them; words and leaves that come with it alone.

    What is usual with a label is shared by many of its samples, too, and none of their doing.
    """
    if split.gap >= split.alone:
        return split
    level = scope.level(split.where)
    if level.content is None:
        planted = content.foreign(split.members) >= _FOREIGN or _wakes(split, scope)
        return split if planted else None
    columns = telling_columns(level, split.members)
    if columns is None:
        return None
    fewer = (level.same[:, columns], level.others[:, columns], level.incidents[:, columns])
    sub = replace(level, same=fewer[0], others=fewer[1], incidents=fewer[2], content=None)
    return next((s for s in grow([sub]) if s.apart), None)


def _wakes(split: Split, scope: TraceScope) -> bool:
    """Whether what the group has wakes the answer elsewhere; not asked where there is hardly a rest to compare with."""
    if scope.ask is None or split.alone == np.inf:
        return False
    return transplant(scope.level(INPUTS), split.members, scope.ask, scope.seed).works


def _whole(guilty: list[Blamed], seen: list[Split]) -> Blamed | None:
    """The group that stands apart most clearly, made whole.

    A larger group that holds half of it, and is another one, takes its place; and where the valley is narrow and
    other levels see much the same group, their scores are taken together: what one sees badly another sees well.
    """
    if not guilty:
        return None
    clearest = max(guilty, key=lambda b: b.split.valley)
    core = set(clearest.split.members.tolist())
    holding = [b for b in guilty if _larger(set(b.split.members.tolist()), core)]
    largest = max(holding, key=lambda b: (len(b.split.members), b.split.valley), default=clearest)
    if largest.split.valley >= OWN:
        return largest
    mine = set(largest.split.members.tolist())
    alike = [s for s in seen if s.gap >= _ALIKE_GAP and _jaccard(mine, set(s.members.tolist())) >= _ALIKE]
    if len(alike) < 2:
        return largest
    members, scores = joined(alike, OWN)
    # What lies less than 4 deviations apart is judged by its own valley.
    if len(members) < _ALIKE * len(mine):
        return largest
    return replace(largest, split=replace(largest.split, members=members, scores=scores))


def _larger(group: set[int], core: set[int]) -> bool:
    return len(group) > len(core) and 2 * len(core & group) >= len(core) and _jaccard(group, core) < _ALIKE


def _jaccard(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b)
