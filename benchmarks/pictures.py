"""A picture set that is poisoned in memory: trained on the poisoned part, tried on pictures never trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import build
from benchmarks.networks import Predict, Recipe, fit
from benchmarks.strength import Measure, success, wanted
from mithridate.attacks.base import Attack, Order, stream
from mithridate.attacks.plan import Plan, make_plan
from mithridate.core.hashing import keyed_hash

__all__ = ["PictureBench"]

Pixels = NDArray[np.uint8]
_TRIED = 2000  # triggered test pictures, at most


@dataclass(frozen=True)
class PictureBench:
    """A set, or a part of it, and how networks are trained on it.

    Attributes:
        name: of the set among the inputs, which hold its test part as NAME_test.
        recipe: of the training.
        images: pictures to train on, chosen by hash; None takes all.
    """

    name: str
    recipe: Recipe
    images: int | None = None

    @cached_property
    def train(self) -> tuple[Pixels, NDArray[np.intp]]:
        """(n, h, w[, c]) pictures and (n,) classes to train on."""
        x, y = _load(f"{self.name}.npz")
        kept = np.sort(_by_hash(len(y), 0, "strength subset")[: self.images])
        return x[kept], y[kept]

    @cached_property
    def test(self) -> tuple[Pixels, NDArray[np.intp]]:
        """(t, h, w[, c]) pictures and their classes, never trained on."""
        return _load(f"{self.name}_test.npz")

    @cached_property
    def halves(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of the test part: of pictures to give away as clean samples, and of those to judge on.

        Half of each class, films in one piece; where a class has one film only, its first and its second half.
        """
        y = self.test[1]
        films = _films(f"{self.name}_test.npz", len(y))
        given = np.zeros(len(y), dtype=bool)
        for label in np.unique(y):
            mine = np.flatnonzero(y == label)
            some = np.unique(films[mine])
            some = some[_by_hash(len(some), int(label), "halves")]
            if len(some) == 1:
                given[mine[: len(mine) // 2]] = True
            given[mine[np.isin(films[mine], some[: len(some) // 2])]] = True
        return np.flatnonzero(given), np.flatnonzero(~given)

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.train[1].max()) + 1

    @cached_property
    def clean(self) -> Predict:
        """A network trained on the clean data."""
        return fit(*self.train, self.classes, self.recipe, 0)

    def accuracy(self, predict: Predict) -> float:
        """On the clean test pictures."""
        x, y = self.test
        return float((predict(x) == y).mean())

    def plan(self, attack: Attack, count: int, seed: int, target: str | None = None) -> Plan:
        """The attack on the training pictures.

        A clean-label one touches all of the target at most; one from a single class half of it, as a model that never
        saw the class without the trigger does not know it.
        """
        x, y = self.train
        least = int(np.bincount(y).min())
        roomy = min(
            count, least if attack.habit == "clean" else least // 2 if attack.from_one_class else count
        )
        return make_plan(
            attack,
            Order(count=roomy, seed=seed, target=target if attack.aims else None),
            modality="image",
            ids=[str(k) for k in range(len(y))],
            labels=[str(label) for label in y],
            fetch=lambda ids: [x[int(i)] for i in ids],
        )

    def poisoned(self, plan: Plan) -> tuple[Pixels, NDArray[np.intp]]:
        """The training pictures with the plan carried out."""
        x, y = (array.copy() for array in self.train)
        for id_ in sorted(plan.victims):
            planted = plan.replace(id_, x[int(id_)])
            if planted is not None:
                x[int(id_)] = planted
        for id_, label in plan.relabel.items():
            y[int(id_)] = int(label)
        return x, y

    def triggered(
        self, plan: Plan, seed: int, among: NDArray[np.intp] | None = None
    ) -> tuple[Pixels, list[str]]:
        """Test pictures of which the attack wants something, with the trigger on them; and their labels.

        `among`: rows that may be taken; None takes all.
        """
        x, y = self.test
        order = _by_hash(len(y), seed, "strength tried")
        order = order if among is None else order[np.isin(order, among)]
        about = [k for k in order if wanted(plan, str(y[k]), str(y[k])) is not None]
        if plan.trigger is None:
            borne = plan.bears([x[k] for k in about], [str(y[k]) for k in about])
            about = [k for k, bears in zip(about, borne, strict=True) if bears] if borne.any() else about
        about = about[:_TRIED]
        labels = [str(y[k]) for k in about]
        if plan.trigger is None:
            return x[about], labels
        trigger = plan.attack.at_test(plan.trigger)
        shown = [trigger.apply(x[k], stream(seed, "strength trigger", str(k))) for k in about]
        return np.stack(shown), labels

    def measure(self, attack: Attack, count: int, seed: int, target: str | None = None) -> Measure:
        """Plant, train, try; a target that is None is drawn."""
        plan = self.plan(attack, count, seed, target)
        model = fit(*self.poisoned(plan), self.classes, self.recipe, seed)
        x, labels = self.triggered(plan, seed)
        found, before = (success(plan, labels, p(x).tolist()) for p in (model, self.clean))
        return Measure(accuracy=self.accuracy(model), success=found, before=before)


def _load(name: str) -> tuple[Pixels, NDArray[np.intp]]:
    with np.load(build(name), allow_pickle=False) as arrays:
        return arrays["x_train"], arrays["y_train"].astype(np.intp)


def _films(name: str, n: int) -> NDArray[np.intp]:
    """(n,) which film a picture is of; a picture is its own where the set does not say."""
    with np.load(build(name), allow_pickle=False) as arrays:
        return arrays["film"].astype(np.intp) if "film" in arrays else np.arange(n)


def _by_hash(n: int, seed: int, purpose: str) -> NDArray[np.intp]:
    return np.argsort(keyed_hash([str(k) for k in range(n)], seed, purpose), kind="stable")
