"""What was found, as results of a report: the group, where it came from, the incident beside its worst samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.checks.trace_check import TraceScope
from mithridate.core.results import Clear, Exhibit, Finding, Result, Severity, Skip
from mithridate.evidence.trait import FEWEST
from mithridate.models.levels import LAST
from mithridate.report.exhibits import as_they_are
from mithridate.report.exhibits.samples import CARRIERS, Sample, fetched
from mithridate.runs.tracing.judging import Blamed, Judged
from mithridate.runs.tracing.looking import Looked
from mithridate.sources.base import RowSource

__all__ = ["Told", "tell"]

_MOST_SOURCES = 15
_OTHERS = 6
_LIMIT = (
    "fewer than 3 samples; poison that shares nothing with the incident, or only what other labels have, too; poison "
    "that is all of its label, so that there is no rest to tell it from"
)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is said about one answer.

    Attributes:
        results: a finding, or what each check saw.
        unreadable: ids of samples that could not be read.
        labelled: samples with the label of the answer.
    """

    results: tuple[Result, ...]
    unreadable: tuple[str, ...]
    labelled: int


def tell(
    judged: Judged, scope: TraceScope, seen: Looked, source: RowSource, *, label: str, raws: Sequence[Any],
    names: Sequence[str], linear: Any,
) -> Told:  # fmt: skip
    """Put into words and pictures what a trace found.

    Args:
        judged: the group to blame, if any.
        scope: that it was found in.
        seen: who the samples are.
        source: the training data.
        label: the wrong answer.
        raws: the incidents.
        names: of the incidents.
        linear: the estimator where it is linear, else None.
    """
    results: list[Result]
    if len(seen.ids) <= 2 * FEWEST:
        results = [_too_few(seen, label)]
    elif judged.blamed is None:
        results = [
            Clear(
                check=check,
                message=f"of {seen.labelled:,} samples labelled {label!r} none stand apart with {_listed(names)} "
                f"(widest valley {gap:.1f})",
                limit=_LIMIT,
            )
            for check, gap in judged.best.items()
        ]
    else:
        results = [_finding(judged.blamed, scope, seen, source, label, raws, names, linear)]
    return Told(results=tuple(results), unreadable=seen.unreadable, labelled=seen.labelled)


def _too_few(seen: Looked, label: str) -> Skip:
    return Skip(
        check="trace",
        reason=f"{len(seen.ids)} samples labelled {label!r} are too few to tell a group from the rest",
        remedy="Look at them one by one, or give all of the training data.",
        items=seen.ids,
        count=len(seen.ids),
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _finding(
    blamed: Blamed, scope: TraceScope, seen: Looked, source: RowSource, label: str, raws: Sequence[Any],
    names: Sequence[str], linear: Any,
) -> Finding:  # fmt: skip
    split, unlearned = blamed.split, blamed.unlearned
    ids = tuple(seen.ids[k] for k in split.members)
    origins = _origins(seen, split.members)
    worst = max(origins.items(), key=lambda o: (o[1]["blamed"], -o[1]["of"]), default=None)
    several = worst is not None and worst[1]["of"] < len(seen.ids)
    came = f"; {worst[1]['blamed']:,} of them came from {worst[0]!r}" if worst and several else ""
    told = (
        f"{len(ids):,} of {seen.labelled:,} samples labelled {label!r} taught the answer to {_listed(names)}: "
        f"unlearning them lowers its score from {unlearned.before:.2f} to {unlearned.after:.2f}, unlearning as many "
        f"others of this label to {min(unlearned.controls):.2f} at the least{came}"
    )
    details = {
        "answer": label,
        "incidents": list(names),
        "seen_at": split.where,
        "unlearning": {
            "before": unlearned.before, "after": unlearned.after, "controls": list(unlearned.controls),
        },
        "sources": origins,
        **_left_out(linear, scope, seen, split.members),
    }  # fmt: skip
    return Finding(
        check=blamed.check,
        severity=Severity.LIKELY,
        message=told,
        targets=ids,
        scores=tuple(float(s) for s in split.scores),
        count=len(ids),
        label=label,
        effect=round(split.gap, 3),
        limit=_LIMIT,
        details=details,
        exhibits=_exhibits(ids, seen, source, raws, names, origins),
    )


def _origins(seen: Looked, members: NDArray[np.intp]) -> dict[str, dict[str, int]]:
    """{source: how many are blamed, of how many with this label}; folders where the data names no source."""
    names = seen.sources
    if names is None:
        names = tuple(str(PurePosixPath(i).parent) if "/" in i else "" for i in seen.ids)
    every, mine = Counter(names), Counter(names[k] for k in members)
    if set(every) == {""}:
        return {}
    return {name: {"blamed": count, "of": every[name]} for name, count in mine.most_common(_MOST_SOURCES)}


def _left_out(linear: Any, scope: TraceScope, seen: Looked, members: NDArray[np.intp]) -> dict[str, Any]:
    """How sure a ridge or logistic regression would be of the answer, had it never seen the group."""
    level = scope.level(LAST)
    kind = type(linear).__name__
    if kind not in ("LogisticRegression", "RidgeClassifier") or np.shape(linear.coef_) != (
        1,
        level.same.shape[1],
    ):
        return {}
    from mithridate.evidence.exact import logistic_without, ridge_without

    ones = [np.ones((len(part), 1)) for part in (level.same, level.others, level.incidents)]
    same, others, incidents = (
        np.concatenate([part, one], axis=1).astype(np.float64)
        for part, one in zip((level.same, level.others, level.incidents), ones, strict=True)
    )
    x, sign = np.concatenate([same, others]), 1.0 if scope.answer == 1 else -1.0
    weights = np.append(linear.coef_[0], np.ravel(linear.intercept_)[:1])
    is_same = np.arange(len(x)) < len(same)
    high = is_same if sign > 0 else ~is_same
    if kind == "RidgeClassifier":
        without = ridge_without(x, np.where(high, 1.0, -1.0), weights, float(linear.alpha), members)
    else:
        without = logistic_without(x, high.astype(np.float64), weights, 1 / float(linear.C), members)
    margins = [float(sign * (incidents @ w).mean()) for w in (weights, without)]
    return {"left_out": {"margin_before": margins[0], "margin_after": margins[1]}}


def _exhibits(
    ids: Sequence[str], seen: Looked, source: RowSource, raws: Sequence[Any], names: Sequence[str],
    origins: Mapping[str, Mapping[str, int]],
) -> tuple[Exhibit, ...]:  # fmt: skip
    mine = set(ids)
    rest = [i for i in seen.ids if i not in mine][:_OTHERS]
    shown = {s.id: s for s in fetched(source, [*ids[:CARRIERS], *rest])}
    incidents = [Sample(id=n, raw=_shape(r), label=None) for n, r in zip(names, raws, strict=True)]
    lists = [
        as_they_are("The incident" + ("s" if len(names) > 1 else ""), incidents[:CARRIERS], source.modality),
        as_they_are(
            "The samples that taught it, worst first",
            [shown[i] for i in ids[:CARRIERS] if i in shown],
            source.modality,
        ),
        as_they_are("Others with the same label", [shown[i] for i in rest if i in shown], source.modality),
    ]
    if len(origins) > 1:
        data = {
            "names": list(origins),
            "values": [float(o["blamed"]) for o in origins.values()],
            "reference": [float(o["of"]) for o in origins.values()],
        }
        lists.append(
            Exhibit(
                kind="bars", title="Where they came from, beside all with this label from there", data=data
            )
        )
    return tuple(exhibit for exhibit in lists if exhibit is not None)


def _shape(raw: Any) -> Any:
    """A picture with its axis of colours."""
    return raw[..., None] if isinstance(raw, np.ndarray) and raw.ndim == 2 else raw
