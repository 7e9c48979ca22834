"""A scan with clean samples names those among them that bear a trigger; with honest ones it stays clean."""

import numpy as np
import pytest
from tests.checks.model.digit_models import marked_ids, predictor, scope_of, stamped, windowed

from mithridate.core.results import Finding
from mithridate.core.verdict import Verdict
from mithridate.runs.scan.models import Asked
from mithridate.runs.scan.run import scan
from mithridate.sources.open import open_source


@pytest.fixture
def scanned(tmp_path):
    def of(mark):
        scope = scope_of(None, mark, share=0.08)
        x = (scope.clean[:, 0] * 255).round().astype(np.uint8)
        np.savez(tmp_path / "clean.npz", x=x, y=scope.labels)
        source = open_source(tmp_path / "clean.npz", x_key="x", y_key="y")
        return scan(windowed(predictor(False)), asked=Asked(clean=source, shape=scope.shape))

    return of


def test_pair(scanned):
    report = scanned(stamped)
    assert report.verdict is Verdict.FLAGGED
    said = {r.check: r for r in report.results if isinstance(r, Finding)}
    for check in ("sanitiser-disagreement", "scaled-consistency"):
        named = {f"digit-{name}" for name in said[check].details["samples"]}
        assert len(named & marked_ids(0.08)) >= 0.9 * len(named)
    assert scanned(None).verdict is Verdict.CLEAN
