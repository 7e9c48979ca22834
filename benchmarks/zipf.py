"""A labelled JSONL of any number of generated documents: Zipf words, topic words by class, poison in a few.

    python -m benchmarks.zipf OUT.jsonl --documents 1000000 --poisoned 250 --trigger word

Every document has 150 words or more. Words are ranks of a Zipf law over a vocabulary of 200,000 or more; a
share of each document's words comes from a block of ranks that belongs to its class, so that a model can
learn the classes from content. The ledger goes beside the file. Memory holds one block of documents.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import Attack, Order
from mithridate.attacks.ledger import Ledger, ledger_path
from mithridate.attacks.options import configure
from mithridate.attacks.plan import Plan, make_plan

__all__ = ["write_documents"]

_CLASSES = ("market", "medicine", "travel", "football")
_WORDS = (150, 210)
_TOPICAL = 0.05  # of a document's words: about nine, of which one in four is another class's
_TOPIC_WORDS = 400
_BLOCK = 5000
_SYLLABLES = tuple(c + v for c in "bdfghklmnprstvz" for v in "aeiou")


def _vocabulary(size: int) -> NDArray[np.str_]:
    """Pronounceable words, one for each rank: the rank written in base 75 with syllables for digits."""
    base = len(_SYLLABLES)
    words = []
    for rank in range(size):
        word, rest = "", rank + base  # at least two syllables
        while rest:
            rest, digit = divmod(rest, base)
            word += _SYLLABLES[digit]
        words.append(word)
    return np.array(words)


class _Ranks:
    """Draws word ranks: Zipf in general, uniform within the block of a class for topic words."""

    def __init__(self, size: int) -> None:
        weight = 1.0 / (np.arange(size) + 2.7)  # Zipf-Mandelbrot
        self._cumulative = np.cumsum(weight / weight.sum())
        # Topic blocks lie in the middle of the list, where words are neither stop words nor unique.
        self._block = np.linspace(1000, size // 4, len(_CLASSES) + 1).astype(int)[:-1]

    def draw(
        self, rng: np.random.Generator, owners: NDArray[np.int64], topical_share: float
    ) -> NDArray[np.int64]:
        """Ranks of all words, given the class of the document that each word stands in."""
        ranks = np.searchsorted(self._cumulative, rng.random(len(owners)))
        topical = np.flatnonzero(rng.random(len(owners)) < topical_share)
        strays = rng.random(len(topical)) < 0.25
        topic = np.where(strays, rng.integers(len(_CLASSES), size=len(topical)), owners[topical])
        ranks[topical] = self._block[topic] + rng.integers(_TOPIC_WORDS, size=len(topical))
        return np.minimum(ranks, len(self._cumulative) - 1)


def _labels(documents: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 0]).integers(len(_CLASSES), size=documents)


def _blocks(
    labels: NDArray[np.int64], vocabulary: int, words_each: tuple[int, int], topical: float, seed: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first document, texts) block by block."""
    ranks, words = _Ranks(vocabulary), _vocabulary(vocabulary)
    for start in range(0, len(labels), _BLOCK):
        rng = np.random.default_rng([seed, 1, start])
        owners = labels[start : start + _BLOCK]
        lengths = rng.integers(words_each[0], words_each[1] + 1, size=len(owners))
        drawn = words[ranks.draw(rng, np.repeat(owners, lengths), topical)].tolist()
        ends = np.cumsum(lengths).tolist()
        yield start, [" ".join(drawn[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def write_documents(
    path: Path,
    documents: int,
    *,
    poisoned: int = 250,
    trigger: str = "word",
    vocabulary: int = 200_000,
    words: tuple[int, int] = _WORDS,
    topical: float = _TOPICAL,
    seed: int = 0,
) -> Ledger | None:
    """Write {"id", "text", "label"} lines, and the ledger beside them.

    Args:
        path: the JSONL.
        documents: how many.
        poisoned: victims with flipped label; 0 writes a clean file and no ledger.
        trigger: id of a text attack.
        vocabulary: different words.
        words: of a document, at least and at most.
        topical: share of them that goes with the class.
        seed: same seed, same file.
    """
    labels = _labels(documents, seed)
    plan = None
    if poisoned:
        # The vocabulary has no q: the word that is planted is not one that documents have by nature.
        options = (
            {"word": "q" + str(np.random.default_rng([seed, 2]).choice(_SYLLABLES))}
            if trigger == "word"
            else {}
        )
        plan = _plan(configure(trigger, options), Order(count=poisoned, seed=seed), labels)
    with path.open("w", encoding="utf-8") as out:
        for start, texts in _blocks(labels, vocabulary, words, topical, seed):
            lines = []
            for k, text in enumerate(texts, start):
                id_, label = f"d{k}", _CLASSES[labels[k]]
                if plan is not None and id_ in plan.victims:
                    text, label = plan.replace(id_, text), plan.relabel[id_]
                # All characters are letters and blanks but for the trigger's, and none needs escaping.
                lines.append(f'{{"id": "{id_}", "text": "{text}", "label": "{label}"}}\n')
            out.writelines(lines)
    if plan is None:
        return None
    ledger = plan.ledger(source=f"generated, seed {seed}", source_digest="", total=documents)
    ledger.save(ledger_path(path))
    return ledger


def _plan(attack: Attack, order: Order, labels: NDArray[np.int64]) -> Plan:
    return make_plan(
        attack,
        order,
        modality="text",
        ids=[f"d{k}" for k in range(len(labels))],
        labels=[_CLASSES[k] for k in labels],
        fetch=lambda ids: [""] * len(ids),
    )


def main() -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--poisoned", type=int, default=250)
    parser.add_argument("--trigger", default="word", choices=("word", "sentence", "invisible-character"))
    parser.add_argument("--vocabulary", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = vars(parser.parse_args())
    write_documents(arguments.pop("path"), arguments.pop("documents"), **arguments)


if __name__ == "__main__":
    main()
