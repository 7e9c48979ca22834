"""Average precision of the label-error ranking beside cleanlab's on the same out-of-fold probabilities.

    python -m benchmarks.cleanlab_peer [--case sms-random] [--draws 3] [--cache DIR]

Needs cleanlab, of the dependency group "dev".
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.plants import CASES, Planted, make
from mithridate.core.report import Report
from mithridate.evidence.view import Evidence
from mithridate.runs.audit import audit
from mithridate.runs.drill.score import average_precision, score
from mithridate.sources.open import open_source

__all__ = ["compare"]

_METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def _evidence(planted: Planted, folder: Path) -> Evidence:
    source = open_source(planted.path, **planted.case.reading)
    if source.modality == "text":
        from mithridate.evidence.text.gather import gather_text as gather
    else:
        from mithridate.evidence.image.gather import gather_image as gather
    return gather(source, store_dir=folder, seed=0, jobs=2).evidence


def compare(planted: Planted) -> Iterator[tuple[str, float]]:
    """(ranking, average precision), ours first.

    Args:
        planted: a case with flipped labels.
    """
    from cleanlab.rank import get_label_quality_scores

    report: Report = audit(planted.path, **planted.case.reading)
    yield "mithridate", score(report, planted.ledger).precision
    with tempfile.TemporaryDirectory() as folder:
        evidence = _evidence(planted, Path(folder))
    assert evidence.labels is not None
    assert evidence.content is not None
    known = np.flatnonzero(evidence.labels >= 0)
    p = _softmax(np.asarray(evidence.content.logits)[known])
    ids = [evidence.ids[row] for row in known]
    for method in _METHODS:
        for adjust in (False, True):
            if adjust and method == "confidence_weighted_entropy":
                continue  # cleanlab refuses this pair
            quality = get_label_quality_scores(
                evidence.labels[known], p, method=method, adjust_pred_probs=adjust
            )
            ranking = tuple(ids[i] for i in np.argsort(quality, kind="stable"))
            name = f"cleanlab {method}{', adjusted' if adjust else ''}"
            yield name, average_precision(ranking, planted.ledger.poison)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    z = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(z / z.sum(axis=1, keepdims=True))


def main() -> None:
    """Print a table for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--cache")
    arguments = parser.parse_args()
    wanted = arguments.case or ["sms-random", "spamassassin-targeted"]
    for case in CASES:
        if case.name in wanted:
            drawn = [dict(compare(make(case, draw, arguments.cache))) for draw in range(arguments.draws)]
            for name in drawn[0]:
                values = "  ".join(f"{one[name]:.4f}" for one in drawn)
                print(f"{case.name:<24}{name:<44}{values}", flush=True)


if __name__ == "__main__":
    main()
