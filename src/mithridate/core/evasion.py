"""What a look at evasion ends with: figures, examples, and how evasion differs from poisoning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.report import Subject

__all__ = ["CONTRAST", "Asked", "Contrast", "Evaded", "Evasion", "EvasionResult", "Example"]


@dataclass(frozen=True, kw_only=True)
class EvasionResult:
    """What one evasion attack achieved on n inputs.

    Attributes:
        attack: "fgsm", "pgd" or "noise".
        title: for people.
        cites: the paper.
        epsilon: the largest change allowed of any value, in units of the inputs.
        parameters: the other settings.
        samples: n.
        clean_accuracy: share of the n inputs that the model gets right as they are.
        adversarial_accuracy: share that it gets right after the change.
        success_rate: of those right before, the share that is wrong after; None if none was right.
        mean_linf: largest change of a value, mean over the n inputs.
        mean_l2: Euclidean length of the change, mean over the n inputs.
    """

    attack: str
    title: str
    cites: str
    epsilon: float
    samples: int
    clean_accuracy: float
    adversarial_accuracy: float
    success_rate: float | None
    mean_linf: float
    mean_l2: float
    parameters: Mapping[str, Any] = field(default_factory=dict)


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
        epsilon: the largest change allowed of any value, in units of the inputs.
        results: one for each attack, and for noise of the same size, which is the control arm.
        examples: inputs that were right before and wrong after, of each attack but the control arm; those the
            model is surest about first.
        contrast: attacking a model beside poisoning it.
        not_run: {attack: why}, for models without gradients.
    """

    model: str
    epsilon: float
    results: tuple[EvasionResult, ...]
    examples: tuple[Example, ...] = ()
    contrast: tuple[Contrast, ...] = CONTRAST
    not_run: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Labelled pictures on their way to a model.

    Attributes:
        ids: n ids in the data.
        x: (n, ...) float32 in [0, 1], in the layout of the model.
        y: (n,) the output of the model that stands for the label of each.
        shape: (h, w, c) of a picture.
        layout: of `core.layout.LAYOUTS`.
        names: k, what each output of the model stands for.
        matching: how labels were matched to outputs, in words.
        notes: what a person should know about how the data was read.
    """

    ids: tuple[str, ...]
    x: NDArray[np.float32] = field(repr=False)
    y: NDArray[np.int64] = field(repr=False)
    shape: tuple[int, int, int]
    layout: str
    names: tuple[str, ...]
    matching: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaded:
    """A whole `drill evade`: one model, one data set, one or more sizes of the change.

    Attributes:
        subject: the data.
        asked: the pictures that were attacked.
        sizes: one for each size of the change, smallest first.
        settings: arguments that make the same again; JSON-able.
        notes: what a person should know.
        seconds: spent.
    """

    subject: Subject
    asked: Asked
    sizes: tuple[Evasion, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> str:
        """ASCII JSON without the pictures, schema 1."""
        told = {
            "schema": 1,
            "model": self.sizes[0].model,
            "data": asdict(self.subject),
            "settings": dict(self.settings),
            "attacked": len(self.asked.ids),
            "layout": self.asked.layout,
            "outputs": list(self.asked.names),
            "matching": self.asked.matching,
            "sizes": [self._size(evasion) for evasion in self.sizes],
            "contrast": [asdict(entry) for entry in CONTRAST],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }
        return json.dumps(told, indent=1)

    def _size(self, evasion: Evasion) -> dict[str, Any]:
        return {
            "epsilon": evasion.epsilon,
            "results": [asdict(result) for result in evasion.results],
            "not_run": dict(evasion.not_run),
            "examples": [
                {
                    "attack": e.attack,
                    "id": self.asked.ids[e.row],
                    "truth": e.truth,
                    "said_before": list(e.said_before),
                    "said_after": list(e.said_after),
                }
                for e in evasion.examples
            ],
        }
