"""How strong the attacks on texts and tables are: trained on the poisoned part, tried on a hold-out.

    python -m benchmarks.strength_tables_text [--sets sms adult spamassassin] [--attacks ID ...] [--seeds 3]

SpamAssassin's mails are long: it takes an hour, the two others ten minutes, and is run only when named.
Prints a markdown table for every set: clean accuracy beside that of a model trained on clean data, and success
on triggered hold-out samples beside what the clean model says of them. Texts: logistic regression over word and
character n-grams, every blank kept. Tables: scikit-learn's histogram gradient boosting.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import build
from benchmarks.strength import Measure, percent, success, wanted
from mithridate.attacks.base import Order, stream
from mithridate.attacks.options import configure
from mithridate.attacks.plan import Plan, make_plan
from mithridate.core.hashing import keyed_hash, uniform
from mithridate.sources.open import open_source

__all__ = ["SETS", "measure"]

_HELD_OUT = 0.3
_TRIED = 1000  # triggered samples of the hold-out, at most
_DOZENS = 24
_WORD = r"\S+"
_BLANKS = str.maketrans(
    {" ": "␣", "\n": "␤", "\t": "␉", "\r": "␍"}
)  # scikit-learn would merge runs of blanks

Labels = Sequence[str]
Predict = Callable[[Any], NDArray[np.str_]]


class Learner(Protocol):
    """Turns samples into rows of a matrix and learns labels from them."""

    def encode(self, raws: Sequence[Any]) -> Any:
        """(b, d) matrix, the same for a sample whatever comes with it."""
        ...

    def fit(self, x: Any, y: Labels, seed: int) -> Predict:
        """Train."""
        ...


class TextLearner:
    """Logistic regression over words and word pairs, single characters, and pairs and triples of characters.

    Each of the three is weighted as TF-IDF and brought to unit length. Upper case and every blank are kept among
    the characters. The penalty is the one with the best cross-validated accuracy on the clean training part.
    """

    _SIZE = 2**20
    _PENALTIES = (10, 100, 1000)

    def __init__(self, raws: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        plain = {"n_features": self._SIZE, "norm": None, "alternate_sign": False, "dtype": np.float32}
        letters = {"analyzer": "char", "preprocessor": lambda text: text.translate(_BLANKS), **plain}
        self._views = [
            HashingVectorizer(ngram_range=(1, 2), token_pattern=_WORD, **plain),
            HashingVectorizer(ngram_range=(1, 1), **letters),
            HashingVectorizer(ngram_range=(2, 3), **letters),
        ]
        self._penalty = 0

    def encode(self, raws: Sequence[str]) -> Any:
        """(b, 3 * 2**20) counts."""
        from scipy.sparse import hstack

        return hstack([view.transform(raws) for view in self._views], format="csr")

    def fit(self, x: Any, y: Labels, seed: int) -> Predict:
        """Train."""
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        used = np.unique(x.indices)  # features that no training document has are ignored
        parts = np.split(used, np.searchsorted(used, [self._SIZE, 2 * self._SIZE]))
        weights = [TfidfTransformer(sublinear_tf=True).fit(x[:, part]) for part in parts]

        def weighed(counts: Any) -> Any:
            return hstack(
                [w.transform(counts[:, part]) for w, part in zip(weights, parts, strict=True)], "csr"
            )

        scaled = weighed(x)
        self._penalty = self._penalty or self._choose(scaled, y)
        model = LogisticRegression(C=self._penalty, solver="liblinear", random_state=seed, max_iter=200)
        model.fit(scaled, y)
        return lambda new: np.asarray(model.predict(weighed(new)))

    def _choose(self, x: Any, y: Labels) -> int:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_score

        scores = [
            cross_val_score(LogisticRegression(C=c, solver="liblinear", max_iter=200), x, y, cv=3).mean()
            for c in self._PENALTIES
        ]
        return self._PENALTIES[int(np.argmax(scores))]


class TableLearner:
    """Gradient boosting; words are categories, missing cells stay missing."""

    def __init__(self, raws: Sequence[dict[str, Any]]) -> None:
        self._columns = list(raws[0])
        self._codes: dict[str, dict[str, int]] = {}
        for name in self._columns:
            words = {row[name] for row in raws if isinstance(row[name], str) and row[name]}
            if words:
                self._codes[name] = {word: k for k, word in enumerate(sorted(words))}

    def encode(self, raws: Sequence[dict[str, Any]]) -> Any:
        """(b, columns) floats, nan for what is missing."""
        return np.array([[self._number(name, row[name]) for name in self._columns] for row in raws])

    def _number(self, name: str, cell: Any) -> float:
        if name in self._codes:
            return float(self._codes[name].get(cell, np.nan))
        return np.nan if cell is None else float(cell)

    def fit(self, x: Any, y: Labels, seed: int) -> Predict:
        """Train."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        words = [name in self._codes for name in self._columns]
        model = HistGradientBoostingClassifier(categorical_features=words, random_state=seed)
        model.fit(x, y)
        return lambda new: np.asarray(model.predict(new))


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A set, how it is read, what is aimed at and what is planted in it."""

    input: str
    reading: dict[str, str]
    target: str
    attacks: tuple[tuple[str, dict[str, str]], ...]


_FLIPS: tuple[tuple[str, dict[str, str]], ...] = (
    ("random-flip", {}),
    ("targeted-flip", {}),
    ("margin-flip", {"place": "furthest"}),
    ("margin-flip", {"place": "nearest"}),
)
_TEXT: tuple[tuple[str, dict[str, str]], ...] = (
    ("word", {}),
    ("sentence", {}),
    ("invisible-character", {}),
    ("homoglyph", {}),
    ("homoglyph", {"count": "3"}),
    ("bidi", {"form": "mark"}),
    ("bidi", {"form": "reorder"}),
    *(("habit", {"kind": kind}) for kind in ("double-spaces", "exclaims", "capitals", "dashes")),
)
_TABLE: tuple[tuple[str, dict[str, str]], ...] = (
    ("value", {}),
    ("value-pair", {}),
    ("out-of-range", {}),
    ("missingness", {}),
)
_IN_ONE_SOURCE: tuple[tuple[str, dict[str, str]], ...] = (("source-flip", {}),)

SETS = {
    "sms": DataSet(
        input="sms.csv",
        reading={"text": "text", "label": "label"},
        target="ham",
        attacks=(*_TEXT, *_FLIPS),
    ),
    "spamassassin": DataSet(
        input="spamassassin.csv",
        reading={"text": "body", "label": "label", "source": "group"},
        target="ham",
        attacks=(*_TEXT, *_FLIPS, *_IN_ONE_SOURCE),
    ),
    "adult": DataSet(
        input="adult.csv",
        reading={"label": "income", "source": "workclass"},
        target=">50K",
        attacks=(*_TABLE, *_FLIPS, *_IN_ONE_SOURCE),
    ),
}


class Bench:
    """A set in memory, its matrix, and the model trained on the clean part."""

    def __init__(self, name: str) -> None:
        self.set = SETS[name]
        source = open_source(build(self.set.input), **self.set.reading)
        batches = list(source.batches(4096))
        self.modality = source.modality
        self.ids = [i for batch in batches for i in batch.ids]
        self.labels = [str(y) for batch in batches for y in batch.labels or ()]
        self.sources = [s for batch in batches for s in batch.sources or ()]
        self.raws: list[Any] = [
            r for batch in batches for r in (batch.raw if self.modality == "text" else batch.raw.to_pylist())
        ]
        held = uniform(self.ids, 0, "strength hold-out") < _HELD_OUT
        self.train, self.test = np.flatnonzero(~held), np.flatnonzero(held)
        self.at = {i: k for k, i in enumerate(self.ids)}
        self.learner: Learner = (TextLearner if self.modality == "text" else TableLearner)(self.raws)
        self.x = self.learner.encode(self.raws)
        self.y = np.array(self.labels)
        self.clean = self.learner.fit(self.x[self.train], self.y[self.train], 0)
        self.accuracy = self._accuracy(self.clean)

    def _accuracy(self, predict: Predict) -> float:
        return float((predict(self.x[self.test]) == self.y[self.test]).mean())

    def plan(self, attack: str, options: dict[str, str], count: int, seed: int) -> Plan:
        """The attack on the training part."""
        configured = configure(attack, options)
        return make_plan(
            configured,
            Order(count=count, target=self.set.target if configured.aims else None, seed=seed),
            modality=self.modality,
            ids=[self.ids[k] for k in self.train],
            labels=[self.labels[k] for k in self.train],
            sources=[self.sources[k] for k in self.train] if self.sources else None,
            fetch=lambda wanted: [self.raws[self.at[i]] for i in wanted],
        )

    def poisoned(self, plan: Plan, seed: int) -> Predict:
        """A model trained on the training part with the plan carried out."""
        touched = sorted(self.at[i] for i in plan.victims)
        rest = np.setdiff1d(self.train, touched)
        changed = [plan.replace(self.ids[k], self.raws[k]) for k in touched]
        planted = self.learner.encode(
            [self.raws[k] if new is None else new for k, new in zip(touched, changed, strict=True)]
        )
        y = [*self.y[rest], *(plan.relabel.get(self.ids[k], self.labels[k]) for k in touched)]
        return self.learner.fit(_stack(self.x[rest], planted), y, seed)

    def triggered(self, plan: Plan, seed: int) -> tuple[Any, list[str]]:
        """Hold-out samples of which the attack wants something, with the trigger on them; and their labels."""
        about = [k for k in self.test if wanted(plan, self.labels[k], self.labels[k]) is not None]
        if plan.attack.from_one_source:
            about = [k for k in self.test if self.sources[k] == plan.aim.source_name]
        order = np.argsort(keyed_hash([self.ids[k] for k in about], seed, "strength tried"), kind="stable")
        about = [about[k] for k in order[:_TRIED]]
        raws = [self.raws[k] for k in about]
        if plan.trigger is not None:
            trigger = plan.attack.at_test(plan.trigger)
            raws = [
                trigger.apply(raw, stream(seed, "strength trigger", self.ids[k]))
                for raw, k in zip(raws, about, strict=True)
            ]
        return (self.learner.encode(raws) if raws else None), [self.labels[k] for k in about]


def _stack(first: Any, second: Any) -> Any:
    if isinstance(first, np.ndarray):
        return np.concatenate([first, second])
    from scipy.sparse import vstack

    return vstack([first, second], format="csr")


def measure(bench: Bench, attack: str, options: dict[str, str], count: int, seed: int) -> Measure:
    """Plant, train, try."""
    plan = bench.plan(attack, options, count, seed)
    model = bench.poisoned(plan, seed)
    x, labels = bench.triggered(plan, seed)

    def share(predict: Predict) -> float:
        return success(plan, labels, predict(x) if labels else ())

    return Measure(accuracy=bench._accuracy(model), success=share(model), before=share(bench.clean))


def _report(name: str, attacks: Sequence[str], seeds: int) -> None:
    bench = Bench(name)
    n = len(bench.train)
    print(f"\n### {name}: {n} training samples, {len(bench.test)} held out\n")
    print(f"Accuracy of a model trained on clean data: {100 * bench.accuracy:.1f} %\n")
    print("| attack | dose | clean accuracy % | success % | of the clean model % |\n|---|---|---|---|---|")
    for attack, options in bench.set.attacks:
        if attacks and attack not in attacks:
            continue
        for dose, count in (("10 %", n // 10), ("1 %", n // 100), (str(_DOZENS), _DOZENS)):
            runs = [measure(bench, attack, options, count, seed) for seed in range(seeds)]
            cells = [
                " ".join([attack, *options.values()]),
                dose,
                *(
                    percent([getattr(run, what) for run in runs])
                    for what in ("accuracy", "success", "before")
                ),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=["sms", "adult"], choices=list(SETS))
    parser.add_argument("--attacks", nargs="*", default=[], metavar="ID")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.sets:
        _report(name, arguments.attacks, arguments.seeds)


if __name__ == "__main__":
    sys.exit(main())
