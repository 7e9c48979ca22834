"""Evasion beside poisoning: how easily a finished model is led astray, and how that differs from a backdoor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.evasion.base import Bounds, EvasionResult
from mithridate.core.errors import UsageError
from mithridate.core.evasion import CONTRAST, Contrast, Evasion, Example
from mithridate.models.base import Logits, Model

__all__ = ["CONTRAST", "EVASIONS", "Contrast", "Evasion", "Example", "evade"]

#: Attacks on a finished model; noise is the control arm, and the only one that needs no gradients.
EVASIONS = ("fgsm", "pgd", "noise")
Progress = Callable[[str, int, int | None], None]


def evade(
    thing: Any,
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    attacks: Sequence[str] = EVASIONS,
    epsilon: float = 8 / 255,
    step: float | None = None,
    iterations: int = 10,
    restarts: int = 1,
    tries: int = 10,
    examples: int = 4,
    bounds: Bounds = (0.0, 1.0),
    logits: Logits = "auto",
    batch: int = 256,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evasion:
    """Attack a finished model with FGSM and PGD, and with noise of the same size.

    Nothing is written, and the model stays as it is. A model without gradients gets only the noise.

    Args:
        thing: a torch module, or whatever `open_model` takes.
        x: (n, ...) float inputs within the bounds, as the model sees them.
        y: (n,) true classes, as column numbers of the model's probabilities.
        attacks: of `EVASIONS`; those that need gradients are not run on a model without.
        epsilon: largest change of a value, in units of the inputs; 8/255 is usual for pictures in colour.
        step: of PGD; None takes 2.5 epsilon / iterations.
        iterations: of PGD.
        restarts: of PGD.
        tries: of the noise.
        examples: kept of each attack.
        bounds: (lowest, highest) value that an input may hold.
        logits: whether the model's outputs are logits.
        batch: how many inputs at once.
        seed: of everything drawn.
        progress: told (stage, attacks done, attacks in all).

    Returns:
        Figures and examples.

    Raises:
        UsageError: inputs or settings that do not fit, or a thing that is no model.
    """
    unknown = [name for name in attacks if name not in EVASIONS]
    if unknown or not attacks:
        got = ", ".join(map(repr, unknown)) or "none"
        raise UsageError(f"attacks of {', '.join(EVASIONS)}", got, "attacks", "Correct the names.")
    from mithridate.models.open import open_model
    from mithridate.models.torch_module import TorchModule

    y = np.asarray(y)
    model = open_model(thing, batch=batch, logits=logits)
    arms = _arms(model, (epsilon, bounds), step, (iterations, restarts, tries), batch, seed)
    why = f"needs gradients, and {model.name} gives no gradients, only answers; a torch module would"
    chosen = [name for name in EVASIONS if name in attacks]
    not_run = {name: why for name in chosen if name != "noise" and not isinstance(model, TorchModule)}
    results: list[EvasionResult] = []
    shown: list[Example] = []
    for done, name in enumerate(chosen):
        if progress is not None:
            progress(f"attacking the model: {name}", done, len(chosen))
        if name in not_run:
            continue
        changed, result = arms[name](x, y)
        results.append(result)
        if name != "noise":
            shown += _examples(model, name, np.asarray(x, np.float32), changed, y, examples)
    return Evasion(
        model=model.name, epsilon=epsilon, results=tuple(results), examples=tuple(shown), not_run=not_run
    )


Arm = Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[np.float32], EvasionResult]]


def _arms(
    model: Any,
    size: tuple[float, Bounds],
    step: float | None,
    amounts: tuple[int, int, int],
    batch: int,
    seed: int,
) -> dict[str, Arm]:
    """Every attack as a function of inputs and classes; `amounts` are iterations, restarts, tries."""
    from mithridate.attacks.evasion.fgsm import fgsm
    from mithridate.attacks.evasion.noise import sign_noise
    from mithridate.attacks.evasion.pgd import pgd

    (epsilon, bounds), (iterations, restarts, tries) = size, amounts

    def how() -> dict[str, Any]:
        return {"bounds": bounds, "logits": model.logits, "batch": batch}

    return {
        "fgsm": lambda x, y: fgsm(model.module, x, y, epsilon, **how()),
        "pgd": lambda x, y: pgd(model.module, x, y, epsilon, step, iterations, restarts, seed, **how()),
        "noise": lambda x, y: sign_noise(model, x, y, epsilon, tries, seed, bounds=bounds),
    }


def _examples(
    model: Model,
    attack: str,
    x: NDArray[np.float32],
    changed: NDArray[np.float32],
    y: NDArray[Any],
    count: int,
) -> list[Example]:
    before, after = model.predict(x), model.predict(changed)
    said, says = before.argmax(axis=1), after.argmax(axis=1)
    led = np.flatnonzero((said == y) & (says != y))
    surest = led[np.argsort(-after[led].max(axis=1), kind="stable")][:count]
    return [
        Example(
            attack=attack,
            row=int(k),
            before=x[k],
            after=changed[k],
            truth=int(y[k]),
            said_before=(int(said[k]), float(before[k, said[k]])),
            said_after=(int(says[k]), float(after[k, says[k]])),
        )
        for k in surest
    ]
