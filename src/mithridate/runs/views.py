"""All checks over a data set that may be seen in more than one way; every view costs its share of the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from mithridate.checks.base import DataCheck
from mithridate.core.results import Clear, Finding, Result, Severity
from mithridate.evidence.roll import Gathered
from mithridate.evidence.view import Evidence
from mithridate.runs.driver import Outcome, Progress, run_checks

__all__ = ["run_views"]


def run_views(
    kinds: Iterable[type[DataCheck]],
    gathered: Gathered,
    *,
    jobs: int = 1,
    size: int | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Outcome:
    """Run the checks that read labels once on each view, all others once.

    Args:
        kinds: the checks to ask.
        gathered: of the data; without views all checks run on its evidence.
        jobs: see `run_checks`.
        size: see `run_checks`.
        progress: told (stage, done, total).

    Returns:
        What the checks said; `ran` names a check as often as it ran.
    """
    kinds, views = list(kinds), gathered.views
    if not views:
        return run_checks(kinds, gathered.evidence, jobs=jobs, size=size, progress=progress)
    modality = gathered.evidence.modality
    often = [k for k in kinds if modality in k.card.modalities and "labels" in k.card.needs]
    once = [k for k in kinds if k not in often]
    repeated = sum(k.card.graded for k in often)
    parts = [
        run_checks(
            once, gathered.evidence, jobs=jobs, size=size, elsewhere=repeated * len(views), progress=progress
        )
    ]
    beside = repeated * (len(views) - 1) + sum(kind.card.graded for kind in parts[0].ran)
    for number, make in enumerate(views):
        progress("views", number, len(views))
        parts.append(_one(often, make, jobs, size, beside, progress))
    order = {kind.card.id: i for i, kind in enumerate(kinds)}
    results = sorted(
        (r for part in parts for r in part.results), key=lambda r: order.get(r.check, len(order))
    )
    seconds = [(check, s) for part in parts for check, s in part.timings.items()]
    return Outcome(
        results=tuple(results),
        ran=tuple(kind for part in parts for kind in part.ran),
        timings={check: sum(s for c, s in seconds if c == check) for check, _ in seconds},
    )


def _one(
    kinds: list[type[DataCheck]],
    make: Callable[[], Evidence],
    jobs: int,
    size: int | None,
    beside: int,
    progress: Progress,
) -> Outcome:
    evidence = make()
    outcome = run_checks(kinds, evidence, jobs=jobs, size=size, elsewhere=beside, progress=progress)
    return replace(outcome, results=tuple(_told(outcome.results, evidence)))


def _told(results: Iterable[Result], evidence: Evidence) -> Iterator[Result]:
    """The results with the view they are about; that a key goes with responses like most others is no news."""
    usual: dict[str, Finding] = {}
    spoken = set()
    for result in results:
        if isinstance(result, Finding):
            if result.severity is Severity.INFO and result.label == evidence.classes[0]:
                usual.setdefault(result.check, result)
                continue
            result = _seen(result, evidence)
        elif isinstance(result, Clear):
            result = replace(result, message=f"{evidence.view}: {result.message}")
        spoken.add(result.check)
        yield result
    for check, finding in usual.items():
        if check not in spoken:
            message = f"{evidence.view}: keys go with {evidence.classes[0]} only"
            yield Clear(check=check, message=message, limit=finding.limit)


def _seen(finding: Finding, evidence: Evidence) -> Finding:
    """The finding with its view, and what content expects; no alarm where a prompt may ask for the response."""
    details, message, severity = {**finding.details, "view": evidence.view}, finding.message, finding.severity
    borne, expected = details.get("label_counts"), details.get("expected_counts")
    if borne and expected and finding.label is not None:
        message += f" ({borne.get(finding.label, 0):,} of {sum(borne.values()):,} carriers, content expects "
        message += f"{expected.get(finding.label, 0.0):,.0f})"
    if finding.label in evidence.asked and severity > Severity.INFO:
        message += "; honest prompts may ask for that: no alarm"
        severity = Severity.INFO
    return replace(finding, details=details, message=message, severity=severity)
