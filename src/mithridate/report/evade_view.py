"""What the terminal and the page say about evasion, in words and figures."""

from __future__ import annotations

from dataclasses import dataclass

from mithridate.core.evasion import Evaded, Evasion, EvasionResult
from mithridate.report.drill_view import percent

__all__ = [
    "LESSON",
    "NAMES",
    "Row",
    "grey",
    "headline",
    "model_of",
    "no_gradients",
    "right",
    "rows",
    "summary",
]

#: Attack → its name in a table, what it does.
NAMES = {
    "fgsm": ("FGSM", "one step along the gradient of the loss"),
    "pgd": ("PGD", "many small steps along the gradient"),
    "noise": ("random noise", "every value up or down at random: what an attack has to beat"),
}
LESSON = (
    "Being led astray like this is no sign of poison: most models that were trained as usual are. An audit of the "
    "training data looks for poison, and cannot see or mend this."
)


@dataclass(frozen=True)
class Row:
    """One attack at one size.

    Attributes:
        attack: id.
        name: for people.
        linf: largest change of a value, mean over the pictures, in grey levels.
        l2: Euclidean length of the change, mean, in grey levels.
        success: of the pictures that were right before, the share that is wrong after; None if none was right.
        after: share right after the change.
        result: the whole.
    """

    attack: str
    name: str
    linf: str
    l2: str
    success: float | None
    after: float
    result: EvasionResult


def grey(value: float) -> str:
    """A change of a value in [0, 1] as grey levels of 0 to 255: `8`, `7.6`, `0.51`, `412`."""
    levels = 255 * value
    return (
        f"{levels:,.0f}"
        if levels >= 100
        else f"{levels:.3g}"
        if levels < 1
        else f"{levels:.1f}".removesuffix(".0")
    )


def rows(evasion: Evasion) -> list[Row]:
    """The attacks that were carried out."""
    return [
        Row(
            r.attack,
            NAMES[r.attack][0],
            grey(r.mean_linf),
            grey(r.mean_l2),
            r.success_rate,
            r.adversarial_accuracy,
            r,
        )
        for r in evasion.results
    ]


def model_of(evaded: Evaded) -> str:
    """The model as it was named, and what it turned out to be: `net.onnx`, `net.safetensors (torch module Net)`."""
    named, kind = str(evaded.settings["model"]), evaded.sizes[0].model
    return named if kind.endswith(named) else f"{named} ({kind})"


def right(evaded: Evaded) -> tuple[int, int] | None:
    """Pictures that the model had right before, and all; None if nothing was carried out."""
    result = next((r for size in evaded.sizes for r in size.results), None)
    return None if result is None else (round(result.clean_accuracy * result.samples), result.samples)


def headline(evaded: Evaded) -> str:
    """The outcome at the largest size, in a sentence."""
    last = evaded.sizes[-1]
    found = {r.attack: r.success_rate for r in last.results}
    size = f"at most {grey(last.epsilon)} of 255 grey levels"
    if not found:
        return "No attack could be carried out on this model"
    if None in found.values():
        return "The model is right about none of these pictures, so nothing can lead it astray"
    led = {name: rate for name, rate in found.items() if name != "noise" and rate is not None}
    if not led:
        return f"Random changes of {size} mislead the model in {percent(found['noise'])} of what it had right"
    best = max(led, key=lambda name: led[name])
    share = percent(led[best])
    return (
        f"Changes of {size}, computed by {NAMES[best][0]}, mislead the model in {share} of what it had right"
    )


def summary(evaded: Evaded) -> str:
    """What noise of the same size does, beside it."""
    last = evaded.sizes[-1]
    noise = next((r for r in last.results if r.attack == "noise"), None)
    if noise is None or noise.success_rate is None or len(last.results) == 1:
        return ""
    tries = int(noise.parameters.get("tries", 1))
    share = percent(noise.success_rate)
    return f"Random changes of the same size: {share}, the worst of {tries} tries for each picture."


def no_gradients(evaded: Evaded) -> dict[str, str]:
    """Attacks that were not possible, and why."""
    told: dict[str, list[str]] = {}
    for name, why in evaded.sizes[0].not_run.items():
        told.setdefault(why, []).append(NAMES[name][0])
    return {", ".join(names): why for why, names in told.items()}
