"""The fast gradient sign method: one step, and a panda is a gibbon."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.evasion.base import Bounds, EvasionResult, check_inputs, measure
from mithridate.attacks.evasion.gradient import Slope
from mithridate.models.base import Logits
from mithridate.models.torch_module import TorchModule, evaluating

__all__ = ["fgsm"]

CITES = "Goodfellow et al., Explaining and Harnessing Adversarial Examples, arXiv:1412.6572, section 4"


def fgsm(
    module: Any,
    x: NDArray[Any],
    y: NDArray[Any],
    epsilon: float,
    *,
    bounds: Bounds = (0.0, 1.0),
    logits: Logits = "auto",
    batch: int = 256,
) -> tuple[NDArray[np.float32], EvasionResult]:
    """Change every value of every input by epsilon, in the direction that raises the loss.

    x' = clip(x + epsilon * sign(gradient of J(x, y) by x)), J the cross-entropy with the true class.

    Args:
        module: a `torch.nn.Module`; its parameters and their gradients stay as they are.
        x: (n, ...) float inputs within the bounds.
        y: (n,) true classes, as column numbers of the outputs.
        epsilon: in units of the inputs.
        bounds: (lowest, highest) value that an input may hold.
        logits: whether the outputs are logits.
        batch: how many inputs at once.

    Returns:
        (n, ...) changed inputs, and what they do.

    Raises:
        UsageError: inputs that do not fit, or a module without gradients.
    """
    x, classes = check_inputs(x, y, epsilon, bounds)
    slope = Slope(module, logits, bounds)
    changed = np.empty_like(x)
    with evaluating(module):
        for start in range(0, len(x), batch):
            part = slice(start, start + batch)
            origin, truth = slope.tensor(x[part]), slope.tensor(classes[part])
            _, _, gradient = slope(origin, truth)
            moved = slope.project(slope.ascend(origin, gradient, epsilon), origin, epsilon)
            changed[part] = moved.float().cpu().numpy()
    about = {"attack": "fgsm", "title": "one step along the gradient (FGSM)", "cites": CITES}
    predict = TorchModule(module, batch=batch, logits=logits).predict
    return changed, measure(predict, x, changed, classes, epsilon=epsilon, **about)
