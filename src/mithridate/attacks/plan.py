"""A `Plan`: an attack made definite for one data set. Same ids, labels and seed: same plan, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mithridate.attacks.base import Aim, Attack, LabelAction, Look, Order, stream
from mithridate.attacks.ledger import Ledger, Victim
from mithridate.core.batch import Modality
from mithridate.core.errors import UsageError
from mithridate.core.hashing import keyed_hash

__all__ = ["Fetch", "Plan", "make_plan"]

Fetch = Callable[[tuple[str, ...]], Sequence[Any]]


class Plan:
    """Who is touched and how. `replace` is given every victim; what it changed goes into the ledger.

    Attributes:
        relabel: {victim: new label}, only where the label changes.
    """

    def __init__(
        self, attack: Attack, aim: Aim, seed: int, look: Look, victims: Mapping[str, str | None]
    ) -> None:
        self._attack, self._aim, self._seed = attack, aim, seed
        self._victims = victims
        name = attack.card.id
        self.trigger = attack.trigger(look, stream(seed, f"{name} trigger"))
        new = {i: attack.relabel(old, aim, stream(seed, f"{name} label", i)) for i, old in victims.items()}
        self.relabel = {i: label for i, label in new.items() if label is not None and label != victims[i]}
        # With no trigger the label is all that changes, and no sample needs to come by.
        self._changed = {} if self.trigger is not None else {i: i in self.relabel for i in victims}

    @property
    def victims(self) -> frozenset[str]:
        """Ids of the samples that `replace` must be given."""
        return frozenset(self._victims)

    def replace(self, id_: str, raw: Any) -> Any:
        """The sample as it is in the poisoned copy; None where its content stays."""
        if self.trigger is None or id_ not in self._victims:
            return None
        planted = self.trigger.apply(raw, stream(self._seed, f"{self._attack.card.id} sample", id_))
        self._changed[id_] = _differs(raw, planted)
        return planted

    def ledger(
        self, *, source: str, source_digest: str, total: int, renamed: Mapping[str, str] | None = None
    ) -> Ledger:
        """The truth about a finished plant.

        Args:
            source: uri of the data that was copied.
            source_digest: its digest.
            total: samples in it.
            renamed: {id: id in the copy} of samples whose id the copy changed.

        Raises:
            RuntimeError: a victim never came by, so the copy is not what the plan says.
        """
        missed = sorted(self.victims - set(self._changed))
        if missed:
            raise RuntimeError(f"{len(missed)} victims were never written, e.g. {missed[0]!r}")
        ids = dict(renamed or {})
        victims = (
            Victim(
                id=ids.get(i, i),
                old_id=i,
                old_label=old,
                new_label=self.relabel.get(i, old),
                changed=self._changed[i],
            )
            for i, old in self._victims.items()
        )
        return Ledger(
            attack=self._attack.card.id,
            parameters=asdict(self._attack),
            seed=self._seed,
            target=self._aim.target,
            labels=self._aim.labels,
            source_class=self._aim.source_class,
            trigger=None if self.trigger is None else dict(self.trigger.describe()),
            source=source,
            source_digest=source_digest,
            total=total,
            victims=tuple(sorted(victims, key=lambda victim: victim.id)),
        )


def _differs(before: Any, after: Any) -> bool:
    if isinstance(before, np.ndarray):
        return not np.array_equal(before, after)
    return bool(before != after)


def make_plan(
    attack: Attack,
    order: Order,
    *,
    modality: Modality,
    ids: Sequence[str],
    labels: Sequence[str | None] | None,
    fetch: Fetch,
) -> Plan:
    """Choose target, victims and trigger.

    Args:
        attack: with its parameters.
        order: what the user asks for.
        modality: of the data.
        ids: n ids.
        labels: n labels, or None when the data has none.
        fetch: ids → their raw samples, in order.

    Raises:
        UsageError: the attack does not fit the data, a class does not exist, or there are too few samples.
    """
    _check_fit(attack, order, modality, labels)
    known: Sequence[str | None] = labels if labels is not None else [None] * len(ids)
    aim = _take_aim(attack, order, Counter(label for label in known if label is not None))
    fitting = {i: label for i, label in zip(ids, known, strict=True) if attack.fits(label, aim)}
    if not 0 < order.count <= len(fitting):
        sought = (
            f"at most {len(fitting)} victims, as many as fit (target {aim.target!r}, labels {aim.labels})"
        )
        raise UsageError(sought, str(order.count), "count", "Give a smaller count or another target.")
    name = attack.card.id
    victims = _first(fitting, order.count, order.seed, f"{name} victims")
    shown = _first(ids, attack.looks, order.seed, f"{name} look")
    look = Look(modality=modality, raws=fetch(tuple(shown)))
    return Plan(attack, aim, order.seed, look, {i: fitting[i] for i in victims})


def _first(ids: Iterable[str], count: int, seed: int, purpose: str) -> list[str]:
    """The `count` ids with the smallest keyed hash: the same whatever the order they come in."""
    pool = sorted(ids)
    hashes = keyed_hash(pool, seed, purpose)
    return [pool[k] for k in np.argsort(hashes, kind="stable")[:count]]


def _check_fit(attack: Attack, order: Order, modality: Modality, labels: object) -> None:
    card = attack.card
    if modality not in card.modalities:
        remedy = "Choose an attack for this kind of data; `mithridate drill list` names them."
        raise UsageError(
            f"{' or '.join(card.modalities)} data", f"{modality} data", f"attack {card.id}", remedy
        )
    if card.label_action != "either" and order.labels not in (None, card.label_action):
        remedy = "Leave the label option away."
        raise UsageError(f"labels {card.label_action}", order.labels or "", f"attack {card.id}", remedy)
    if labels is None and _action(attack, order) != "clean":
        remedy = "Name the label column, or plant with --clean-label."
        raise UsageError("labelled data", "data without labels", f"attack {card.id}", remedy)
    if order.target is not None and not attack.aims:
        raise UsageError(
            "no target", order.target, f"attack {card.id}", "Leave the target away, or use targeted-flip."
        )


def _action(attack: Attack, order: Order) -> LabelAction:
    return order.labels or attack.habit


def _take_aim(attack: Attack, order: Order, sizes: Mapping[str, int]) -> Aim:
    """Check the classes that were named and draw those that were not."""
    classes = tuple(sorted(sizes))
    for what, name in (("target", order.target), ("source class", order.source_class)):
        if name is not None and name not in sizes:
            raise UsageError(
                "one of " + ", ".join(classes[:50]), repr(name), what, "Give a label that occurs."
            )
    action = _action(attack, order)
    if action != "clean" and len(classes) < 2:
        raise UsageError("two classes or more", str(len(classes)), "labels", "Plant with --clean-label.")
    if order.target is not None and order.target == order.source_class and action == "dirty":
        raise UsageError(
            "a source class that is not the target", repr(order.target), "source class", "Give another."
        )
    name = attack.card.id
    target, origin = order.target, order.source_class
    if target is None and attack.aims and action != "all-to-all" and classes:
        roomy = [c for c in classes if sizes[c] >= order.count] if action == "clean" else list(classes)
        open_ = [c for c in roomy if c != origin] or list(classes)
        target = _first(open_, 1, order.seed, f"{name} target")[0]
    if origin is None and attack.from_one_class:
        others = [c for c in classes if c != target]
        roomy = [c for c in others if sizes[c] >= order.count]
        origin = _first(roomy or others, 1, order.seed, f"{name} source class")[0]
    return Aim(classes=classes, target=target, source_class=origin, labels=action)
