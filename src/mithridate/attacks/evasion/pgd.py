"""Projected gradient descent: many small steps, from random starts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import stream
from mithridate.attacks.evasion.base import Bounds, EvasionResult, check_inputs, measure
from mithridate.attacks.evasion.gradient import Slope
from mithridate.core.errors import UsageError
from mithridate.models.base import Logits
from mithridate.models.torch_module import TorchModule, evaluating

__all__ = ["pgd"]

CITES = "Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, arXiv:1706.06083, section 2.1"


def pgd(
    module: Any,
    x: NDArray[Any],
    y: NDArray[Any],
    epsilon: float,
    step: float | None = None,
    iterations: int = 10,
    restarts: int = 1,
    seed: int = 0,
    *,
    bounds: Bounds = (0.0, 1.0),
    logits: Logits = "auto",
    batch: int = 256,
) -> tuple[NDArray[np.float32], EvasionResult]:
    """Climb the loss by signed steps inside the ball of radius epsilon, from random starts in it.

    x_{t+1} = P(x_t + step * sign(gradient of J(x_t, y) by x)), P the projection on the ball and the bounds. Of
    all restarts, an input that is misread is kept before one that is not, then the one with the higher loss.

    Args:
        module: a `torch.nn.Module`; its parameters and their gradients stay as they are.
        x: (n, ...) float inputs within the bounds.
        y: (n,) true classes, as column numbers of the outputs.
        epsilon: largest change of a value, in units of the inputs.
        step: size of a step; None takes 2.5 epsilon / iterations, enough to cross the ball.
        iterations: steps from each start.
        restarts: random starts.
        seed: of the starts; same seed, same starts, for any batch size.
        bounds: (lowest, highest) value that an input may hold.
        logits: whether the outputs are logits.
        batch: how many inputs at once.

    Returns:
        (n, ...) changed inputs, and what they do.

    Raises:
        UsageError: inputs or settings that do not fit, or a module without gradients.
    """
    x, classes = check_inputs(x, y, epsilon, bounds)
    if iterations < 1 or restarts < 1 or (step is not None and not step > 0):
        got = f"step {step}, iterations {iterations}, restarts {restarts}"
        raise UsageError("a step above 0, 1 or more iterations and restarts", got, "pgd", "Raise them.")
    size = 2.5 * epsilon / iterations if step is None else step
    slope = Slope(module, logits, bounds)
    changed, best = x.copy(), np.full(len(x), -np.inf)
    with evaluating(module):
        for restart in range(restarts):
            rng = stream(seed, f"pgd restart {restart}")
            for start in range(0, len(x), batch):
                part = slice(start, start + batch)
                begin = rng.uniform(-epsilon, epsilon, x[part].shape).astype(np.float32)
                moved, worth = _climb(slope, x[part], classes[part], begin, (epsilon, size, iterations))
                better = worth > best[part]
                changed[part][better], best[part][better] = moved[better], worth[better]
    settings = {"step": size, "iterations": iterations, "restarts": restarts, "seed": seed}
    about = {"attack": "pgd", "title": "many steps along the gradient (PGD)", "cites": CITES}
    predict = TorchModule(module, batch=batch, logits=logits).predict
    return changed, measure(predict, x, changed, classes, epsilon=epsilon, parameters=settings, **about)


def _climb(
    slope: Slope,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    begin: NDArray[np.float32],
    pace: tuple[float, float, int],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """One start of one batch: where it ended, and how much each end is worth (see `pgd`).

    Args:
        slope: of the module.
        x: (b, ...) inputs.
        y: (b,) true classes.
        begin: (b, ...) where in the ball to start.
        pace: epsilon, step, iterations.
    """
    epsilon, step, iterations = pace
    origin, truth = slope.tensor(x), slope.tensor(y)
    moved = slope.project(origin + slope.tensor(begin), origin, epsilon)
    for _ in range(iterations):
        _, _, gradient = slope(moved, truth)
        moved = slope.project(slope.ascend(moved, gradient, step), origin, epsilon)
    loss, misread, _ = slope(moved, truth)
    # A loss is at most 104 in float32 with probabilities, and far below 1e6 with any logits of use.
    worth = misread.cpu().double() * 1e6 + loss.cpu().double().clamp(max=1e6 - 1)
    return moved.float().cpu().numpy(), worth.numpy()
