"""Seen whole: ordinary bearers of a label are recognised, victims are not."""

from __future__ import annotations

import numpy as np
import pytest

from mithridate.checks.excess import Excess
from mithridate.checks.ranks import LabelRanks
from mithridate.core.batch import Batch


@pytest.mark.parametrize(("odds", "unlike"), [(4.0, False), (-0.5, False), (-6.0, True)])
def test_unlike(odds, unlike):
    """Among samples of y with log odds about 1 +- 2, ten at `odds`: typical, somewhat low, unheard of."""
    drawn = np.random.default_rng(0).normal(1.0, 2.0, 2000)
    logits = np.stack([drawn, np.zeros(2000)], axis=1).astype(np.float32)
    ranks = LabelRanks(2)
    ranks.fit(
        Batch(
            ids=tuple(map(str, range(2000))), rows=np.arange(2000), modality="image", raw=None,
            evidence={"label": np.zeros(2000, np.int32), "logits": logits},
        )
    )  # fmt: skip
    excess = Excess(np.array([0.5, 0.5]), ranks)
    spread = odds + np.linspace(-0.2, 0.2, 5)
    assert excess.unlike(spread, 0, 1e-3) == unlike
