"""Pairs of many classes are not searched, and the report says so."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mithridate.core.results import Skip  # noqa: E402
from mithridate.core.verdict import Verdict  # noqa: E402
from mithridate.models.jail.confine import available  # noqa: E402
from mithridate.runs.heal.one_class import MOST_CLASSES  # noqa: E402
from mithridate.runs.heal.run import heal  # noqa: E402
from mithridate.runs.scan.models import Asked  # noqa: E402
from mithridate.sources.open import open_source  # noqa: E402

if lacks := available():
    pytest.skip(f"no jail here: {lacks}", allow_module_level=True)

CLASSES = MOST_CLASSES + 2


def brightest():
    """Says which row of a picture is brightest."""
    net = torch.nn.Sequential(
        torch.nn.AvgPool2d((1, CLASSES)), torch.nn.Flatten(), torch.nn.Linear(CLASSES, CLASSES)
    )
    with torch.no_grad():
        net[2].weight.copy_(20 * torch.eye(CLASSES))
        net[2].bias.zero_()
    return net


def test_what_was_not_searched_is_said(tmp_path):
    torch.save(brightest().state_dict(), tmp_path / "brightest.pt")
    y = np.arange(8 * CLASSES) % CLASSES
    x = np.random.default_rng(0).integers(0, 60, (len(y), CLASSES, CLASSES)).astype(np.uint8)
    x[np.arange(len(y)), y] += 150
    healed = heal(
        tmp_path / "brightest.pt", arch="tests.runs.heal.test_many_classes:brightest",
        asked=Asked(clean=open_source(x, labels=y.astype(str))), methods=("fine-tuning",),
    )  # fmt: skip
    assert healed.report.verdict is not Verdict.HEALED
    said = [r.reason for r in healed.report.results if isinstance(r, Skip)]
    assert any(f"up to {MOST_CLASSES} classes are searched" in reason for reason in said)
