"""Numbers and verdicts in words that need no statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mithridate.core.report import Report, Subject
from mithridate.core.results import Finding, Severity, Skip
from mithridate.core.verdict import Verdict

__all__ = [
    "amount",
    "amount_of",
    "count_of",
    "duration",
    "innocents",
    "news",
    "p_short",
    "p_words",
    "repaired",
    "samples_of",
    "severity_word",
    "span",
    "thing",
    "things",
    "verb",
    "verdict_words",
]

_NOUNS = {"image": "image", "text": "text", "table": "row", "audio": "sound", "chat": "exchange"}
_SEVERITY = {
    Severity.INFO: "for information",
    Severity.SUSPICIOUS: "suspicious",
    Severity.LIKELY: "likely planted",
    Severity.PROVEN: "proven on a model",
}
_FIXED = {
    Verdict.HEALED: (
        "What was found is gone",
        "The effect was shown before the repair and is gone after it. What ordinary answers lost is, as far as held "
        "samples tell, within what was allowed. What no scan has found is still there.",
    ),
    Verdict.WORSE: (
        "The repair changed ordinary answers",
        "Do not use the repaired model; the original was not touched.",
    ),
    Verdict.NOT_PROVEN: (
        "The repair was made, but not proven",
        "The effect of what was found was not known or did not go away, so nobody can say that it is healed.",
    ),
    Verdict.EXPLAINED: (
        "A group of training samples taught the model this answer",
        "They share something with the incident; once they are unlearned, the answer is gone. Others that share it "
        "may be left. Look at them, and at who brought them.",
    ),
    Verdict.NO_GROUP: (
        "No group of training samples taught the model this answer",
        "No samples stand apart with the incident: an honest mistake, or poison that the limits below leave room for.",
    ),
}
_BIG = ((1e15, "million billion"), (1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def count_of(n: int, noun: str) -> str:
    """`1 image`, `2,000 images`, `0 classes`, `0 entries`."""
    if n == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{n:,} {noun[:-1]}ies"
    return f"{n:,} {noun}{'es' if noun.endswith(('s', 'x')) else 's'}"


def amount(report: Report) -> str:
    """What was examined: `50,000 images, 10 classes`."""
    return amount_of(report.subject)


def amount_of(subject: Subject) -> str:
    """What was examined: `50,000 images, 10 classes`."""
    if subject.modality == "model":
        return "1 model" if subject.count == 1 else f"{subject.count:,} files and members of archives"
    samples = samples_of(subject.count, subject)
    if subject.modality == "chat":  # nobody labels conversations
        return samples
    return (
        f"{samples}, {count_of(len(subject.classes), 'class')}"
        if subject.classes
        else f"{samples}, no labels"
    )


def samples_of(n: int, subject: Subject) -> str:
    """`1 image`, `25 texts`, `300 rows`."""
    return count_of(n, _NOUNS.get(subject.modality, "sample"))


def duration(report: Report) -> str:
    """Whole run time: `0.4 s`, `41 s`, `2 min 5 s`, "" when it is not known."""
    timings = report.timings
    return span(float(timings.get("total", sum(timings.values()))) if timings else math.nan)


def span(seconds: float) -> str:
    """`0.4 s`, `41 s`, `2 min 5 s`; "" when it is not finite."""
    if not math.isfinite(seconds):
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def severity_word(severity: Severity) -> str:
    """One or two words for people."""
    return _SEVERITY[severity]


def p_short(p: float | None) -> str:
    """`p = 0.004`, `p = 3e-12`, `p < 1e-30`; "" when there is none."""
    if p is None:
        return ""
    if p < 1e-30:
        return "p < 1e-30"
    mantissa, _, exponent = f"{p:.2g}".partition("e")
    return f"p = {mantissa}e{int(exponent)}" if exponent else f"p = {mantissa}"


def p_words(p: float | None, things: str = "data sets") -> str:
    """What a p-value means, in a sentence; `things` are what was examined."""
    if p is None:
        return "No chance is involved: this was seen directly."
    if p > 0.5:
        return f"Chance alone shows as much in most clean {things}."
    odds = 1 / max(p, 1e-300)
    if odds < 1e6:
        return f"Chance alone shows as much in about 1 of {_round(odds):,} clean {things}."
    name = next(name for size, name in _BIG if odds >= size)
    return f"Chance alone shows as much in fewer than one of a {name} clean {things}."


def _round(number: float) -> int:
    """Two leading digits: false precision helps nobody."""
    digits = max(0, math.floor(math.log10(number)) - 1)
    return int(round(number / 10**digits) * 10**digits)


def innocents(finding: Finding) -> str:
    """How many of the accused are expected to be innocent, in a sentence; "" when the check cannot say."""
    expected = finding.innocents
    if expected is None or not math.isfinite(expected) or not finding.count:
        return ""
    who = f"Of the {finding.count:,} {'named' if finding.severity is Severity.INFO else 'accused'}"
    if expected < 0.5:
        return f"{who}, hardly any is expected to be innocent ({expected:.2g})."
    about = max(1, round(expected))
    return f"{who}, about {about:,} {'is' if about == 1 else 'are'} expected to be innocent."


def news(finding: Finding) -> str:
    """How much of a finding an earlier report said already, in a sentence; "" where nothing of it, or all."""
    told = finding.details.get("news")
    known = told.get("known") if isinstance(told, Mapping) else None
    if not isinstance(known, int):
        return ""
    return (
        f"An earlier report accused {known:,} of these {finding.count:,} of the same; more came, or another check sees "
        "something new in them."
    )


def thing(report: Report) -> str:
    """What was examined, in a word: `data` or `model`."""
    return "model" if report.subject.modality == "model" else "data"


def things(report: Report) -> str:
    """What p-values count: `data sets` or `models`."""
    return "models" if thing(report) == "model" else "data sets"


def repaired(report: Report) -> bool:
    """Whether the report is about a repair."""
    return report.verdict in (Verdict.HEALED, Verdict.WORSE, Verdict.NOT_PROVEN)


def verb(report: Report) -> str:
    """What was done, in two words."""
    if repaired(report):
        return "model repair"
    if report.verdict in (Verdict.EXPLAINED, Verdict.NO_GROUP):
        return "trace of an answer"
    return "model scan" if thing(report) == "model" else "data audit"


def verdict_words(report: Report) -> tuple[str, str]:
    """A headline and a sentence that a stranger understands."""
    if report.verdict in _FIXED:
        return _FIXED[report.verdict]
    alarms, old = len(report.news), len(report.alarms) - len(report.news)
    what_for = "this model is used" if thing(report) == "model" else "anything is trained on this data"
    skips = sum(isinstance(r, Skip) for r in report.results)
    unseen = f" Besides, {count_of(skips, 'thing')} could not be looked at." if skips else ""
    still = (
        f" {count_of(old, 'finding')} of an earlier report {'is' if old == 1 else 'are'} still there."
        if old
        else ""
    )
    if report.verdict is Verdict.FLAGGED:
        what = count_of(alarms, "new finding" if report.baseline else "finding")
        return (
            f"Something{' new' if report.baseline else ''} in this {thing(report)} looks planted",
            f"{what} that chance does not explain. Look at the evidence below before {what_for}.{still}{unseen}",
        )
    if report.verdict is Verdict.INCOMPLETE:
        return (
            f"Nothing {'new' if old else 'suspicious'} was found, but not everything was looked at",
            f"{count_of(skips, 'thing')} that should have been examined could not be. "
            f"Not examined is not clean.{still}",
        )
    if old:
        return (
            "Nothing new was found",
            f"Every check ran.{still} Somebody once took it for harmless; this page does not.",
        )
    return (
        "Nothing planted was found",
        "Every check ran. What they could not have seen is said below; a model can hide more than any scan shows."
        if thing(report) == "model"
        else "Every check ran. What they could not have seen is said below; poison smaller than that "
        "may still be there.",
    )
