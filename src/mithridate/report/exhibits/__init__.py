"""Exhibits: what a finding is about, drawn from a few samples, small enough to travel with the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from mithridate.core.batch import Source
from mithridate.core.results import Exhibit, Finding, Result, Severity
from mithridate.report.exhibits.samples import Drawn, Sample, Samples, gather, pairs_of, wanted

__all__ = ["MOST_FINDINGS", "as_they_are", "build", "build_all"]

#: Findings that get exhibits, worst first: 40 x (12 + 6 + 12) bounds what is fetched.
MOST_FINDINGS = 40
_BARS = 15


def build_all(results: Sequence[Result], source: Source) -> tuple[Result, ...]:
    """Give the first findings their exhibits, with one `source.fetch` for all of them.

    Args:
        results: graded, worst first.
        source: the data they speak about.

    Returns:
        The results in the same order. Samples that cannot be had are left out; nothing is raised for them.
    """
    chosen = {n: r for n, r in enumerate(results) if isinstance(r, Finding)}
    chosen = dict(islice(chosen.items(), MOST_FINDINGS))
    samples = gather(chosen.values(), source)
    drawn = {
        n: replace(f, exhibits=(*f.exhibits, *_draw(f, source.modality, samples))) for n, f in chosen.items()
    }
    return tuple(drawn.get(n, r) for n, r in enumerate(results))


def build(finding: Finding, source: Source) -> tuple[Exhibit, ...]:
    """The exhibits of one finding; see `build_all`."""
    return _draw(finding, source.modality, gather([finding], source))


def _draw(finding: Finding, modality: str, samples: Samples) -> tuple[Exhibit, ...]:
    try:
        what, who = _pictures(finding, modality, samples)
    except (LookupError, TypeError, ValueError, AttributeError):
        # Details of a foreign or older check: the finding is worth more than its picture.
        what, who = [], []
    return (*what, *_bars(finding.details), *who)


def _pictures(finding: Finding, modality: str, samples: Samples) -> Drawn:
    details = finding.details
    carriers, others = ([samples[i] for i in ids if i in samples] for ids in wanted(finding))
    pairs = [(samples[a], samples[b]) for a, b in pairs_of(finding) if a in samples and b in samples]
    if pairs:
        return [], [e for n, pair in enumerate(pairs, 1) if (e := as_they_are(f"Pair {n}", pair, modality))]
    if modality == "image":
        from mithridate.report.exhibits import images

        if "canvas" in details and "size" in details:
            return images.draw_patch(details, carriers, others)
        if "boxes" in details:
            return images.draw_words(details, carriers, others)
        if "canvas" in details:
            return images.draw_pattern(details, carriers, others)
    elif modality == "audio":
        from mithridate.report.exhibits import sounds

        return sounds.draw_key(details, carriers, others, played=finding.severity > Severity.INFO)
    elif modality in ("text", "chat") and "key" in details and details.get("family") != "habit":
        from mithridate.report.exhibits import texts

        return texts.draw_words(details, carriers, others)
    elif modality == "table" and ("cells" in details or "column" in details):
        from mithridate.report.exhibits import tables

        return tables.draw_cells(details, carriers, others)
    lists = (
        as_they_are("The first of them", carriers, modality),
        as_they_are("Their nearest neighbours", others, modality),
    )
    return [], [e for e in lists if e]


def as_they_are(title: str, samples: Sequence[Sample], modality: str) -> Exhibit | None:
    """Samples as they are."""
    if modality == "image":
        from mithridate.report.exhibits.images import gallery

        return gallery(title, samples)
    if modality == "audio":
        from mithridate.report.exhibits.sounds import sounds

        return sounds(title, samples, played=False)
    if modality == "table":
        from mithridate.report.exhibits.tables import rows

        return rows(title, samples)
    from mithridate.report.exhibits.texts import text_list

    return text_list(title, samples)


def _bars(details: Mapping[str, Any]) -> list[Exhibit]:
    """Labels of the carriers against what their content says."""
    told = details.get("bars")
    if isinstance(told, Mapping):
        data = {
            "names": list(told["names"]),
            "values": list(told["values"]),
            "reference": told.get("reference"),
        }
        return [Exhibit(kind="bars", title=str(told["title"]), data=data)]
    counts, expected = details.get("label_counts"), details.get("expected_counts")
    if not isinstance(counts, Mapping) or not counts:
        return []
    expected = expected if isinstance(expected, Mapping) else {}
    names = _by_size({*counts, *expected}, counts, expected)
    values = [float(counts.get(n, 0)) for n in names]
    reference = [float(expected.get(n, 0)) for n in names] if expected else None
    view = details.get("view")
    who = f"The carriers by {view}" if view else "Labels of the carriers"
    title = f"{who}, against what their content says" if reference else who
    return [
        Exhibit(kind="bars", title=title, data={"names": names, "values": values, "reference": reference})
    ]


def _by_size(names: Iterable[str], counts: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    sized = {n: max(float(counts.get(n, 0)), float(expected.get(n, 0))) for n in names}
    # Labels that round to nothing on both sides only fill the page.
    kept = [n for n in sized if sized[n] >= 0.5]
    return sorted(kept or sized, key=lambda n: (-sized[n], n))[:_BARS]
