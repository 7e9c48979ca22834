"""A bank of models known to be clean, and how rare a model is among them.

A model's statistics are sizes of the smallest triggers, one for each class and kind of trigger. They are compared with
those of its family only (same inputs, same classes), class by class: some classes are easy to reach in any honest
model. Deficits in standard deviations are put together over the kinds that speak of one class; what is ranked is the
class with the largest. The rank among the bank's own members, each judged by the others in the same way, gives the
p-value.

Reference:
    Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005), chapter 2 (conformal p-values);
    Bates et al., arXiv:2104.08279 (of outliers); spreads of few models, drawn towards that of their kind: Smyth,
    Statistical Applications in Genetics and Molecular Biology 3 (2004), section 3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError

__all__ = ["FEWEST", "Bank", "Statistics"]

_SCHEMA = 1
#: members of a family below which nothing is said.
FEWEST = 4
_PRIOR = 4  # models that the spread of a kind counts for, beside those of the family
#: least standard deviation of a logarithm of a size: networks of another kind differ by as much.
_SPREAD = 0.25
_LARGEST = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What one model gives away.

    Attributes:
        name: of the model.
        family: what models must share to be compared: inputs, classes, kind of samples.
        sizes: kind of trigger → size of the smallest one for each class, all above 0, and towards no class in
            particular last, where that was looked for; "pair": from each other class in turn; "source": from each
            class to any other.
        origin: digest of what was scanned; "" where unknown.
    """

    name: str
    family: str
    sizes: Mapping[str, tuple[float, ...]]
    origin: str = ""

    @cached_property
    def logs(self) -> Mapping[str, NDArray[np.float64]]:
        """Logarithms of the sizes, each kind less its median."""
        parts = {kind: np.log(np.asarray(sizes, dtype=np.float64)) for kind, sizes in self.sizes.items()}
        return {kind: part - np.median(part) for kind, part in parts.items()}

    def same_kind(self, other: Statistics) -> bool:
        """Whether two models can be compared."""
        lengths = [{kind: len(sizes) for kind, sizes in s.sizes.items()} for s in (self, other)]
        return self.family == other.family and lengths[0] == lengths[1]


@dataclass(frozen=True)
class Bank:
    """Statistics of clean models, as many families as wanted.

    Attributes:
        members: the models.
    """

    members: tuple[Statistics, ...]

    def family(self, model: Statistics) -> list[Statistics]:
        """The members that a model can be compared with."""
        return [member for member in self.members if member.same_kind(model)]

    def score(self, model: Statistics) -> float | None:
        """The largest deficit of a size, in standard deviations of the family; None where it has too few members."""
        peers = self.family(model)
        return _deficit(model, peers) if len(peers) >= FEWEST else None

    def p_value(self, model: Statistics) -> float | None:
        """The conformal p-value of a model under the hypothesis that it is clean; None as for `score`.

        Exact where all members are of the model's family. Members of other families, each judged within its own, join
        the ranking and make it finer; that is exact only as far as families vary alike.
        """
        own = self.score(model)
        if own is None:
            return None
        scores = []
        for member in self.members:
            peers = [m for m in self.members if m is not member and m.same_kind(member)]
            peers += [model] if member.same_kind(model) else []
            if len(peers) >= FEWEST:
                scores.append(_deficit(member, peers))
        return (1 + sum(score >= own for score in scores)) / (len(scores) + 1)

    def plus(self, model: Statistics) -> Bank:
        """With one more member; one of the same name, origin and family is replaced."""

        def key(of: Statistics) -> tuple[str, str, str]:
            return of.name, of.origin, of.family

        return Bank((*(m for m in self.members if key(m) != key(model)), model))

    def beside(self, origin: str) -> Bank:
        """Without the members of an origin: no model is judged by itself."""
        return Bank(tuple(m for m in self.members if not origin or m.origin != origin))

    def save(self, path: str | Path) -> None:
        """Write a JSON file, whole or not at all.

        Raises:
            UsageError: the place cannot be written.
        """
        members = [{**asdict(m), "sizes": dict(m.sizes)} for m in self.members]
        text = json.dumps({"mithridate-bank": _SCHEMA, "members": members}, indent=1)
        target, draft = Path(path), Path(f"{path}.part")
        try:
            draft.write_text(text + "\n", encoding="utf-8")
            draft.replace(target)
        except OSError as error:
            remedy = "Choose another place for the bank."
            raise UsageError(
                "a place to write to", error.strerror or str(error), str(target), remedy
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> Bank:
        """Read what `save` wrote.

        Raises:
            UsageError: there is no such file, or it holds something else.
        """
        remedy = "Build one: mithridate scan CLEAN_MODEL --bank-add FILE."
        try:
            if Path(path).stat().st_size > _LARGEST:
                raise UsageError("a bank of at most 64 MiB", "a larger file", str(path), remedy)
            told = json.loads(Path(path).read_text(encoding="utf-8"))
            if told["mithridate-bank"] != _SCHEMA:
                raise UsageError(
                    f"a bank of schema {_SCHEMA}", str(told["mithridate-bank"]), str(path), remedy
                )
            return cls(tuple(_member(entry) for entry in told["members"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            got = f"{type(error).__name__}: {str(error)[:200]}"
            raise UsageError("a bank of clean models", got, str(path), remedy) from error


def _member(entry: Mapping[str, Any]) -> Statistics:
    sizes = {str(kind): tuple(float(size) for size in values) for kind, values in entry["sizes"].items()}
    if not sizes or not all(sizes.values()):
        raise ValueError("a member without sizes")
    if not all(np.isfinite(size) and size > 0 for values in sizes.values() for size in values):
        raise ValueError("sizes that are not positive")
    names = {key: str(entry[key]) for key in ("name", "family", "origin")}
    return Statistics(**names, sizes=sizes)


def _deficit(model: Statistics, peers: Sequence[Statistics]) -> float:
    """The largest over the classes of what the kinds of triggers say of one together, in standard deviations."""
    rows = [_of_classes(kind, _below(kind, model, peers)) for kind in sorted(model.sizes)]
    together = np.zeros((len(rows), max(map(len, rows))))
    for row, values in zip(together, rows, strict=True):
        row[: len(values)] = np.maximum(values, 0)
    return float(np.sqrt((together**2).sum(axis=0)).max())


def _below(kind: str, model: Statistics, peers: Sequence[Statistics]) -> NDArray[np.float64]:
    """By how many standard deviations each entry is below the peers'."""
    others = np.stack([peer.logs[kind] for peer in peers])
    own, freedom = others.var(axis=0, ddof=1), len(peers) - 1
    spread = np.sqrt((freedom * own + _PRIOR * own.mean()) / (freedom + _PRIOR))
    spread = np.maximum(spread, _SPREAD) * np.sqrt(1 + 1 / len(peers))
    below: NDArray[np.float64] = (others.mean(axis=0) - model.logs[kind]) / spread
    return below


def _of_classes(kind: str, below: NDArray[np.float64]) -> NDArray[np.float64]:
    """One entry a class: of pairs, the source class from which it is reached most easily.

    What leads away from a class says nothing of the class with the same number: it stands behind all others.
    """
    if kind == "source":
        return np.concatenate([np.zeros(len(below) + 1), below])
    if kind != "pair":
        return below
    classes = round((1 + np.sqrt(1 + 4 * len(below))) / 2)
    whole = classes * (classes - 1) == len(below)
    return below.reshape(classes, classes - 1).max(axis=1) if whole else below
