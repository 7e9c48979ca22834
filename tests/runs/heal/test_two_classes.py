"""With two classes nothing is proven: a trigger towards one has a single size to be held against."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mithridate.core.results import Skip  # noqa: E402
from mithridate.core.verdict import Verdict  # noqa: E402
from mithridate.models.jail.confine import available  # noqa: E402
from mithridate.runs.heal.run import heal  # noqa: E402
from mithridate.runs.scan.models import Asked  # noqa: E402
from mithridate.sources.open import open_source  # noqa: E402

if lacks := available():
    pytest.skip(f"no jail here: {lacks}", allow_module_level=True)


class Watched(torch.nn.Sequential):
    """Keeps account of what it and its copies are asked."""

    asked = None

    def forward(self, x):
        if self.asked is not None:
            self.asked.append(len(x) if torch.is_grad_enabled() else len(x) / 3)
        return super().forward(x)


def bright():
    """Says whether a picture is bright."""
    net = Watched(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(1, 2))
    with torch.no_grad():
        net[2].weight.copy_(torch.tensor([[-20.0], [20.0]]))
        net[2].bias.copy_(torch.tensor([10.0, -10.0]))
    return net


def healed(tmp_path, methods):
    torch.save(bright().state_dict(), tmp_path / "bright.pt")
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = (rng.integers(0, 60, (60, 8, 8)) + 180 * y[:, None, None]).astype(np.uint8)
    clean = open_source(x, labels=y.astype(str))
    return heal(
        tmp_path / "bright.pt", arch="tests.runs.heal.test_two_classes:bright", asked=Asked(clean=clean),
        methods=methods,
    ).report  # fmt: skip


def test_two_classes_prove_nothing(tmp_path):
    report = healed(tmp_path, ("fine-tuning",))
    assert report.verdict is not Verdict.HEALED
    assert any(isinstance(r, Skip) and "a single other one" in r.reason for r in report.results)


def test_all_that_the_model_is_asked_is_accounted_for(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("tests.runs.heal.test_two_classes.Watched.asked", asked)
    told = next(iter(healed(tmp_path, ("fine-tuning", "unlearning")).findings)).details
    tries = [c["passes"] for c in told["candidates"]]
    taken = sum(c["backward"] + (c["forward"] - c["backward"]) / 3 for c in tries)
    parts = told["search"]["passes"], told["proof"]["passes"], taken
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(sum(asked), rel=0.01)
