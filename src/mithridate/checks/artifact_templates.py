"""The judge of templates, shared by the checks that find them in different files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mithridate.checks.artifact_texts import MEANING
from mithridate.core.results import Finding, Severity
from mithridate.models.files.item import Item
from mithridate.models.files.templates import TemplateFact, read_template

__all__ = ["judge_template"]

_S, _L = Severity.SUSPICIOUS, Severity.LIKELY
_SAYS: Mapping[str, tuple[Severity, str]] = {
    "SSTI": (_L, "reaches for Python's internals ({text}): in a loader without a sandbox this runs code"),
    "LOAD": (_S, "loads another template ({text})"),
    "CONDITION": (
        _S,
        "looks for words in what a user or the system says ({text}) and can tell the model something else then",
    ),
    "HIDDEN_BRANCH": (_S, "says “{emits}” to the model when a message holds {text}"),
    "DATE": (_S, "does something else from some date on"),
    "REWRITE": (_S, "replaces words in what a user or the system says ({text})"),
}


def judge_template(found: Callable[..., Finding], item: Item, source: str, place: str) -> Iterator[Finding]:
    """Findings about one template.

    Args:
        found: of the check that asks.
        item: where the template is.
        source: of the template.
        place: which one of the item's templates, for messages.

    Raises:
        ItemError: no Jinja that can be read.
    """
    for fact in read_template(source, f"{item.name} ({place})"):
        severity, meaning = _SAYS.get(fact.rule, (_S, f"emits {MEANING.get(fact.rule, '')}: {{text}}"))
        words = meaning.format(text=fact.text, emits=fact.emits)
        message = f"the template {place}, line {fact.line}, {words}"
        yield found(
            item, severity, message, rule=f"TEMPLATE_{fact.rule}", place=place, line=fact.line, **_more(fact)
        )


def _more(fact: TemplateFact) -> dict[str, str]:
    return {"text": fact.text} | ({"emits": fact.emits} if fact.emits else {})
