"""A `Plan`: an attack made definite for one data set. Same ids, labels and seed: same plan, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import Aim, Attack, Choice, LabelAction, Look, NaturalTrigger, Order, stream
from mithridate.attacks.ledger import Ledger, Victim
from mithridate.core.batch import Modality
from mithridate.core.errors import UsageError
from mithridate.core.hashing import keyed_hash

__all__ = ["Fetch", "Plan", "make_plan"]

#: Samples looked at together: small ones in few passes, as a file of rows is read from its start for each block.
_BLOCK: Mapping[Modality, int] = {
    "image": 1024,
    "text": 16_384,
    "table": 65_536,
    "audio": 256,
    "chat": 16_384,
}

Fetch = Callable[[tuple[str, ...]], Sequence[Any]]


class Plan:
    """Who is touched and how. `replace` is given every victim; what it changed goes into the ledger.

    Attributes:
        attack: with its parameters.
        aim: what it is up to.
        trigger: None when only labels change.
        relabel: {victim: new label}, only where the label changes.
    """

    def __init__(
        self,
        attack: Attack,
        seed: int,
        look: Look,
        victims: Mapping[str, str | None],
        covers: Mapping[str, str | None],
        nature: tuple[NaturalTrigger, float] | None = None,
    ) -> None:
        self.attack, self.aim, self._seed, self._nature = attack, look.aim, seed, nature
        self._victims, self._covers = {**victims, **covers}, frozenset(covers)
        name = attack.card.id
        self.trigger = attack.trigger(look, stream(seed, f"{name} trigger"))
        self._on_covers = None if self.trigger is None else attack.cover_trigger(self.trigger)
        new = {
            i: attack.relabel(old, self.aim, stream(seed, f"{name} label", i)) for i, old in victims.items()
        }
        self.relabel = {i: label for i, label in new.items() if label is not None and label != victims[i]}
        # With no trigger the label is all that changes, and no sample needs to come by.
        self._changed = {} if self.trigger is not None else {i: i in self.relabel for i in victims}

    @property
    def victims(self) -> frozenset[str]:
        """Ids of the samples that `replace` must be given."""
        return frozenset(self._victims)

    def replace(self, id_: str, raw: Any) -> Any:
        """The sample as it is in the poisoned copy; None where its content stays."""
        trigger = self._on_covers if id_ in self._covers else self.trigger
        if trigger is None or id_ not in self._victims:
            return None
        planted = trigger.apply(raw, stream(self._seed, f"{self.attack.card.id} sample", id_))
        self._changed[id_] = _differs(raw, planted)
        return planted

    def bears(self, raws: Sequence[Any], labels: Sequence[str | None]) -> NDArray[np.bool_]:
        """(b,) which samples bear the natural trigger of the attack, as strongly as its weakest victim.

        Where the trigger is put on, or there is none, no sample bears it by nature. Success of an attack with
        a natural trigger is counted on test samples that bear it, as they are.
        """
        if self._nature is None:
            return np.zeros(len(raws), dtype=np.bool_)
        feature, level = self._nature
        return feature(raws, labels) >= level

    def _describe_trigger(self) -> dict[str, Any] | None:
        if self.trigger is not None:
            return dict(self.trigger.describe())
        return None if self._nature is None else {**self._nature[0].describe(), "level": self._nature[1]}

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
                cover=i in self._covers,
            )
            for i, old in self._victims.items()
        )
        return Ledger(
            attack=self.attack.card.id,
            parameters=asdict(self.attack),
            seed=self._seed,
            target=self.aim.target,
            labels=self.aim.labels,
            source_class=self.aim.source_class,
            source_name=self.aim.source_name,
            trigger=self._describe_trigger(),
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
    sources: Sequence[str] | None = None,
) -> Plan:
    """Choose target, victims, covers and trigger.

    Args:
        attack: with its parameters.
        order: what the user asks for.
        modality: of the data.
        ids: n ids.
        labels: n labels, or None when the data has none.
        fetch: ids → their raw samples, in order.
        sources: n names of where the samples came from, or None when the data does not say.

    Raises:
        UsageError: the attack does not fit the data, a class does not exist, or there are too few samples.
    """
    _check_fit(attack, order, modality, labels)
    known: Sequence[str | None] = labels if labels is not None else [None] * len(ids)
    aim = _take_aim(attack, order, Counter(label for label in known if label is not None))
    aim = replace(aim, source_name=_one_source(attack, order, sources))
    label_of = dict(zip(ids, known, strict=True))
    fitting = {i: label for i, label in label_of.items() if attack.fits(label, aim)}
    if aim.source_name is not None and sources is not None:
        here = {i for i, name in zip(ids, sources, strict=True) if name == aim.source_name}
        fitting = {i: label for i, label in fitting.items() if i in here}
    if not 0 < order.count <= len(fitting):
        sought = (
            f"at most {len(fitting)} victims, as many as fit (target {aim.target!r}, labels {aim.labels})"
        )
        raise UsageError(sought, str(order.count), "count", "Give a smaller count or another target.")
    name = attack.card.id
    shown = _first(ids, attack.looks, order.seed, f"{name} look")
    look = Look(modality=modality, raws=fetch(tuple(shown)), labels=[label_of[i] for i in shown], aim=aim)
    choice = attack.choice(look, stream(order.seed, f"{name} choice"))
    nature = None
    if choice is None:
        victims = _first(fitting, order.count, order.seed, f"{name} victims")
    else:
        victims, level = _most_wanted(choice, fitting, order, fetch, _BLOCK[modality])
        nature = (choice, level) if isinstance(choice, NaturalTrigger) else None
    taken = set(victims)
    covers = _choose_covers(attack, order, aim, {i: y for i, y in label_of.items() if i not in taken})
    chosen, beside = {i: fitting[i] for i in victims}, {i: label_of[i] for i in covers}
    return Plan(attack, order.seed, look, chosen, beside, nature)


def _choose_covers(attack: Attack, order: Order, aim: Aim, others: Mapping[str, str | None]) -> Sequence[str]:
    """As many covers as the attack wants among the samples that are no victims."""
    wanted = attack.cover_count(order.count)
    free = [i for i, label in others.items() if attack.covers(label, aim)] if wanted else []
    if wanted > len(free):
        sought = f"{wanted} samples to cover {order.count} victims"
        got = f"{len(free)} that are neither victims nor of a class that cannot cover"
        remedy = "Give a smaller count, or fewer covers per victim with `--set cover_ratio=...`."
        raise UsageError(sought, got, f"attack {attack.card.id}", remedy)
    return _first(free, wanted, order.seed, f"{attack.card.id} covers")


def _one_source(attack: Attack, order: Order, sources: Sequence[str] | None) -> str | None:
    """The source that victims are taken from; None when it does not matter."""
    if order.source_name is None and not attack.from_one_source:
        return None
    if sources is None:
        remedy = "Name the column that says where a sample came from, with --source."
        raise UsageError("data with sources", "data without", f"attack {attack.card.id}", remedy)
    sizes = Counter(sources)
    names = sorted(sizes)
    if order.source_name is None:
        roomy = [name for name in names if sizes[name] >= order.count]
        return _first(roomy or names, 1, order.seed, f"{attack.card.id} source")[0]
    if order.source_name not in names:
        known = "one of " + ", ".join(names[:50])
        raise UsageError(known, repr(order.source_name), "source", "Give a source that occurs.")
    return order.source_name


def _most_wanted(
    choice: Choice, fitting: Mapping[str, str | None], order: Order, fetch: Fetch, block: int
) -> tuple[list[str], float]:
    """The `order.count` samples wanted most, among equals by hash of the id, and how much the last is wanted."""
    pool = _first(fitting, len(fitting), order.seed, "most wanted")
    wanted = [
        choice(fetch(tuple(part)), [fitting[i] for i in part])
        for part in (pool[k : k + block] for k in range(0, len(pool), block))
    ]
    scores = np.concatenate(wanted)
    best = np.argsort(-scores, kind="stable")[: order.count]
    return [pool[k] for k in best], float(scores[best[-1]])


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
    if card.label_action != "either" and order.labels not in (None, attack.habit):
        remedy = "Leave the label option away."
        raise UsageError(f"labels {attack.habit}", order.labels or "", f"attack {card.id}", remedy)
    if labels is None and _action(attack, order) != "clean":
        remedy = "Name the label column, or plant with --clean-label."
        raise UsageError("labelled data", "data without labels", f"attack {card.id}", remedy)
    if order.target is not None and not attack.aims:
        raise UsageError(
            "no target",
            order.target,
            f"attack {card.id}",
            "Leave the target away, or choose an attack that has one.",
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
