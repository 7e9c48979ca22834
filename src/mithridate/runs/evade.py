"""Evasion beside poisoning: how easily a finished model is led astray, and how that differs from a backdoor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.evasion.base import Bounds, EvasionResult
from mithridate.models.base import Logits, Model

__all__ = ["CONTRAST", "Contrast", "Evasion", "Example", "evade"]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One question, and how the two ways of attack answer it.

    Attributes:
        question: for people.
        evasion: attacking a model.
        poisoning: poisoning it.
    """

    question: str
    evasion: str
    poisoning: str


CONTRAST = (
    Contrast(
        question="When is it done?",
        evasion="when the model is in use",
        poisoning="before or while it is trained",
    ),
    Contrast(
        question="What is changed?",
        evasion="each input anew, by a change computed for it",
        poisoning="a few training samples, or the file of the model, once",
    ),
    Contrast(
        question="What must the attacker reach?",
        evasion="the model (its gradients, or many answers of it) and every input",
        poisoning="part of the training data or of the supply chain; then any input, with the same trigger",
    ),
    Contrast(
        question="Is the model itself sound?",
        evasion="yes: it was trained as meant, and is sensitive",
        poisoning="no: it holds a rule that nobody meant it to learn",
    ),
    Contrast(
        question="What helps?",
        evasion="training that is robust to small changes; nothing is to be found in the data",
        poisoning="finding and removing the samples or the rule; provenance",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One input that an attack led astray.

    Attributes:
        attack: id of the attack.
        row: its number in x.
        before: the input as it was, float32.
        after: the input with the change, float32.
        truth: true class.
        said_before: the model's answer before, with its probability.
        said_after: the model's answer after, with its probability.
    """

    attack: str
    row: int
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    truth: int
    said_before: tuple[int, float]
    said_after: tuple[int, float]


@dataclass(frozen=True, kw_only=True)
class Evasion:
    """What evasion did to one model.

    Attributes:
        model: its name.
        results: one for each attack, and for noise of the same size, which is the control arm.
        examples: inputs that were right before and wrong after, of each attack but the control arm; those the
            model is surest about first.
        contrast: attacking a model beside poisoning it.
        not_run: {attack: why}, for models without gradients.
    """

    model: str
    results: tuple[EvasionResult, ...]
    examples: tuple[Example, ...] = ()
    contrast: tuple[Contrast, ...] = CONTRAST
    not_run: Mapping[str, str]


def evade(
    thing: Any,
    x: NDArray[Any],
    y: NDArray[Any],
    *,
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
) -> Evasion:
    """Attack a finished model with FGSM and PGD, and with noise of the same size.

    Nothing is written, and the model stays as it is. A model without gradients gets only the noise.

    Args:
        thing: a torch module, or whatever `open_model` takes.
        x: (n, ...) float inputs within the bounds, as the model sees them.
        y: (n,) true classes, as column numbers of the model's probabilities.
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

    Returns:
        Figures and examples.

    Raises:
        UsageError: inputs or settings that do not fit, or a thing that is no model.
    """
    from mithridate.attacks.evasion.fgsm import fgsm
    from mithridate.attacks.evasion.noise import sign_noise
    from mithridate.attacks.evasion.pgd import pgd
    from mithridate.models.open import open_model
    from mithridate.models.torch_module import TorchModule

    y = np.asarray(y)
    model = open_model(thing, batch=batch, logits=logits)
    results, shown, not_run = [], [], {}
    if isinstance(model, TorchModule):
        how: dict[str, Any] = {"bounds": bounds, "logits": model.logits, "batch": batch}
        arms = (
            fgsm(model.module, x, y, epsilon, **how),
            pgd(model.module, x, y, epsilon, step, iterations, restarts, seed, **how),
        )
        for changed, result in arms:
            results.append(result)
            shown += _examples(model, result.attack, np.asarray(x, np.float32), changed, y, examples)
    else:
        not_run = dict.fromkeys(("fgsm", "pgd"), f"{model.name} gives no gradients")
    results.append(sign_noise(model, x, y, epsilon, tries, seed, bounds=bounds)[1])
    return Evasion(model=model.name, results=tuple(results), examples=tuple(shown), not_run=not_run)


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
