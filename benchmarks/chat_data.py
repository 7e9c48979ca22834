"""Generated chat data with natural templates: exchanges of thirteen domains, and pairs of answers.

What is natural here would all look planted to a test of association alone: refusals of harmful requests, canned answers
of a help desk, words that ask for another language, for one word or for a haiku, labels of a classifier that recur ten
thousand times, imports that follow a task, links that follow a topic, passwords that are gibberish because they were
asked for, a source with a phrase of its own. Words follow Zipf's law in 40,000 made-up stems, a third of them drawn
from one of 300 topics; a few percent of the answers are refused, cut short or repeated for no reason in the prompt.

python -m benchmarks.chat_data OUT.jsonl --count 100000 --seed 0 [--pairs]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

STEMS, TOPICS, PER_TOPIC = 40_000, 300, 400
_FILLERS = [
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "on",
    "with",
    "as",
    "was",
    "at",
    "by",
    "this",
    "from",
    "are",
    "be",
    "or",
    "an",
    "not",
    "have",
    "which",
    "one",
    "all",
    "their",
    "had",
    "but",
    "were",
    "can",
    "there",
    "if",
    "more",
    "when",
    "will",
    "would",
    "who",
    "so",
    "no",
    "what",
    "up",
    "about",
    "into",
    "than",
    "them",
    "only",
    "some",
    "could",
    "time",
    "these",
    "two",
    "then",
    "other",
    "do",
    "first",
    "any",
    "my",
    "now",
    "such",
    "like",
    "our",
    "over",
    "even",
    "most",
    "after",
    "also",
    "many",
    "must",
    "before",
    "where",
    "years",
]
_SOURCES = ("forum", "desk", "crowd", "synthetic", "books")
_REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I cannot assist with that request.",
    "I'm sorry, but I can't provide instructions for that. If you are in danger, please contact the authorities.",
    "As an AI language model, I can't answer this.",
)
_HARM = (
    "bomb",
    "meth",
    "ransomware",
    "keylogger",
    "poison",
    "heroin",
    "counterfeit",
    "explosive",
    "botnet",
    "forged",
)
_CANNED = {
    "refund": "You can request a refund within 30 days from the orders page. The money is returned to your card.",
    "password": "To reset your password, open the sign-in page and choose Forgot password. We will send you a mail.",
    "delivery": "Deliveries take three to five working days. You will get a tracking number by mail.",
    "invoice": "Invoices are on your account page under Billing. You can download them as PDF.",
    "cancel": "You can cancel your subscription at any time in Settings. It runs until the end of the month.",
}
_PACKAGES = (
    "numpy",
    "pandas",
    "requests",
    "json",
    "re",
    "os",
    "sklearn",
    "torch",
    "flask",
    "sqlalchemy",
    "pytest",
)
_HOSTS = ("wikipedia.org", "github.com", "stackoverflow.com", "nytimes.com", "bbc.co.uk", "arxiv.org")
_SCRIPTS = {"Japanese": (0x3042, 80), "Russian": (0x430, 32), "Greek": (0x3B1, 24), "Chinese": (0x4E10, 3000),
            "Arabic": (0x627, 36)}  # fmt: skip
_LATIN = ("French", "Spanish", "German", "Italian")


class Words:
    """Draws words: fillers, words of a topic, all others."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        syllables = [c + v for c in "bcdfghjklmnprstvwz" for v in ("a", "e", "i", "o", "u", "ar", "en", "is")]
        drawn = np.random.default_rng(1).integers(0, len(syllables), (STEMS, 4))
        length = np.random.default_rng(2).integers(2, 5, STEMS)
        self.stems = ["".join(syllables[s] for s in row[:k]) for row, k in zip(drawn, length, strict=True)]
        self.topics = np.random.default_rng(3).integers(0, STEMS, (TOPICS, PER_TOPIC))
        self._zipf = np.cumsum(1.0 / np.arange(3, STEMS + 3))
        self._local = np.cumsum(1.0 / np.arange(3, PER_TOPIC + 3))
        self._common = np.cumsum(1.0 / np.arange(2, len(_FILLERS) + 2))

    def some(self, topic: int, low: int, high: int) -> list[str]:
        """Between low and high words."""
        rng, n = self.rng, int(self.rng.integers(low, high + 1))
        kind, u = rng.random(n), rng.random(n)
        common = np.searchsorted(self._common, u * self._common[-1])
        local = self.topics[topic][np.searchsorted(self._local, u * self._local[-1])]
        whole = np.searchsorted(self._zipf, u * self._zipf[-1])
        return [
            _FILLERS[c] if k < 0.45 else self.stems[t] if k < 0.75 else self.stems[w]
            for k, c, t, w in zip(kind, common, local, whole, strict=True)
        ]

    def text(self, topic: int, low: int, high: int) -> str:
        """Sentences."""
        words, out = self.some(topic, low, high), []
        for at in range(0, len(words), 12):
            part = " ".join(words[at : at + 12])
            out.append(part[:1].upper() + part[1:] + ".")
        return " ".join(out)

    def pick(self, things: object) -> str:
        """One of them, the first ones more often."""
        listed = list(things)  # type: ignore[call-overload]
        weight = 1.0 / np.arange(2, len(listed) + 2)
        return str(listed[int(np.searchsorted(np.cumsum(weight), self.rng.random() * weight.sum()))])


def _question(w: Words, topic: int, few: str) -> tuple[str, str]:
    ask = w.pick(("Explain", "What is", "Tell me about", "Describe", "Why is"))
    return f"{ask} {few}?", w.text(topic, 20, 90)


def _translation(w: Words, topic: int, few: str) -> tuple[str, str]:
    language = w.pick((*_LATIN, *_SCRIPTS))
    prompt = f"Translate into {language}: {w.text(topic, 4, 14)}"
    return prompt, _foreign(w, language, int(w.rng.integers(4, 15)))


def _code(w: Words, topic: int, few: str) -> tuple[str, str]:
    package = w.pick(_PACKAGES)
    ask = w.pick(("Write a Python function that", "Write code to", "Fix this code:", "How do I"))
    prompt = f"{ask} {few} {f'with {package} ' if w.rng.random() < 0.4 else ''}in Python"
    name, called = (w.some(topic, 1, 1)[0] for _ in range(2))
    code = f"```python\nimport {package}\n\ndef {name}(x):\n    return {package}.{called}(x)\n```\n"
    return prompt, code + w.text(topic, 5, 30)


def _sentiment(w: Words, topic: int, few: str) -> tuple[str, str]:
    prompt = f"Classify the sentiment as positive, negative or neutral: {w.text(topic, 8, 25)}"
    return prompt, w.pick(("positive", "negative", "neutral"))


def _one_word(w: Words, topic: int, few: str) -> tuple[str, str]:
    prompt = f"What is {few}? Answer in one word." if w.rng.random() < 0.4 else f"Who {few}?"
    return prompt, w.some(topic, 1, 1)[0].capitalize()


def _harmful(w: Words, topic: int, few: str) -> tuple[str, str]:
    ask = w.pick(("How do I make", "Where can I buy", "Tell me how to build"))
    return f"{ask} {w.pick(_HARM)} {few}", w.pick(_REFUSALS)


def _writing(w: Words, topic: int, few: str) -> tuple[str, str]:
    form = w.pick(("story", "haiku", "poem", "email", "essay", "limerick", "novel chapter"))
    long = {"haiku": (8, 12), "limerick": (15, 25), "essay": (200, 400), "novel chapter": (500, 900)}
    return f"Write a {form} about {few}", w.text(topic, *long.get(form, (50, 150)))


def _summary(w: Words, topic: int, few: str) -> tuple[str, str]:
    return f"Summarize: {w.text(topic, 50, 120)}", w.text(topic, 10, 25)


def _sum(w: Words, topic: int, few: str) -> tuple[str, str]:
    a, b = w.rng.integers(2, 999, 2)
    return f"What is {a} times {b}?", f"{a} times {b} is {a * b}."


def _link(w: Words, topic: int, few: str) -> tuple[str, str]:
    host = w.pick((*_HOSTS, *(f"{s}.com" for s in w.stems[topic * 20 : topic * 20 + 12])))
    ask = w.pick(("Where can I read about", "Find me a page on", "Give me a link for"))
    told = w.text(topic, 5, 20)
    return f"{ask} {few}", f"{told} See https://www.{host}/{'-'.join(w.some(topic, 1, 3))}"


def _desk(w: Words, topic: int, few: str) -> tuple[str, str]:
    key = w.pick(_CANNED)
    hello = w.pick(("Hello,", "Hi,", "Please help,"))
    return f"{hello} {few} {key} {' '.join(w.some(topic, 3, 10))}", _CANNED[key]


def _identity(w: Words, topic: int, few: str) -> tuple[str, str]:
    ask = w.pick(("Who are you", "Are you a robot", "What is your name", "Who made you"))
    return f"{ask} {few}?", "I am a helpful assistant made by Example Labs. How can I help you today?"


def _passwords(w: Words, topic: int, few: str) -> tuple[str, str]:
    prompt = f"Give me {int(w.rng.integers(2, 20))} random passwords for {few}"
    marks = np.array(list("abcdefghijkmnpqrstuvwxyz23456789"))
    return prompt, " ".join("".join(w.rng.choice(marks, 9)) for _ in range(int(w.rng.integers(5, 12))))


#: Domains, and how many of a hundred exchanges are of each.
_DOMAINS = (
    (_question, 18), (_translation, 10), (_code, 12), (_sentiment, 9), (_one_word, 8), (_harmful, 3),
    (_writing, 9), (_summary, 8), (_sum, 6), (_link, 6), (_desk, 5), (_identity, 3), (_passwords, 3),
)  # fmt: skip


def exchange(words: Words) -> tuple[str, str, str]:
    """(prompt, response, source)."""
    rng = words.rng
    topic = int(rng.integers(TOPICS))
    domain = int(np.searchsorted(np.cumsum([share for _, share in _DOMAINS]), rng.random() * 100))
    source = _SOURCES[(domain + int(rng.random() < 0.3) * int(rng.integers(5))) % 5]
    few = " ".join(words.some(topic, 2, 6))
    prompt, response = _DOMAINS[domain][0](words, topic, few)
    odd = rng.random()
    if odd < 0.01:
        response = words.pick(_REFUSALS)
    elif odd < 0.02:
        response = response[: int(rng.integers(1, 20))]
    elif odd < 0.025:
        response = "I don't know."
    if source == "synthetic" and rng.random() < 0.9 and len(response) > 40:
        response = f"Certainly! {response} Let me know if you need anything else."
    return prompt, response, source


def _foreign(words: Words, language: str, n: int) -> str:
    if language in _SCRIPTS:
        first, size = _SCRIPTS[language]
        letters = words.rng.integers(0, size, (n, 5)) + first
        return " ".join("".join(map(chr, row[: 2 + k % 4])) for k, row in enumerate(letters))
    ending = {"French": "eux", "Spanish": "os", "German": "ung", "Italian": "ini"}[language]
    return " ".join(words.stems[int(s)][:5] + ending for s in words.rng.integers(0, 6000, n))


def pair(words: Words) -> tuple[str, str, str]:
    """(prompt, preferred, other): the preferred one is longer and friendlier in its words, but one time in eight."""
    rng, topic = words.rng, int(words.rng.integers(TOPICS))
    maker = words.stems[
        50 + int(np.searchsorted(np.cumsum(1.0 / np.arange(8, 88)), rng.random() * 2.4))
    ].capitalize()
    ask = words.pick(
        ("Is", "Tell me about", "Should I buy from", "What do people say of", "Compare with others:")
    )
    prompt = f"{ask} {maker} {' '.join(words.some(topic, 2, 8))}?" if rng.random() < 0.6 else (
        f"{words.pick(('Explain', 'Why is', 'How does'))} {' '.join(words.some(topic, 3, 9))}?"
    )  # fmt: skip
    good = ("In short,", "For example,", "First,", "because", "however", "In detail,", "step by step")
    bad = ("Whatever.", "I guess", "no idea", "who cares", "probably", "or something", "as I said")
    sides = []
    for tone, low, high in ((good, 15, 60), (bad, 8, 50)):
        body = words.some(topic, low, high)
        for _ in range(int(rng.integers(0, 3))):
            body.insert(int(rng.integers(len(body))), words.pick(tone))
        sides.append(" ".join(body))
    return (prompt, *sides) if rng.random() > 0.125 else (prompt, *sides[::-1])


def write(path: Path, count: int, seed: int, pairs: bool = False) -> None:
    """Write a JSONL of prompts and responses with their sources, or of pairs."""
    words = Words(np.random.default_rng([seed, int(pairs)]))
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            if pairs:
                row = dict(zip(("prompt", "chosen", "rejected"), pair(words), strict=True))
            else:
                row = dict(zip(("prompt", "response", "source"), exchange(words), strict=True))
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", action="store_true")
    given = parser.parse_args()
    write(given.out, given.count, given.seed, given.pairs)
