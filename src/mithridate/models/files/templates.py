"""What a Jinja template does, read from its syntax tree: it is never rendered.

Chat templates decide what a language model is told. One that looks for a word in the user's message and then says
something else is a backdoor without a weight changed (Pillar Security, "LLM backdoors at the inference level", 2025);
one that reaches for Python's internals runs code in a loader that renders it without a sandbox (CVE-2024-34359).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mithridate.core.errors import ItemError
from mithridate.models.files.template_flow import Flow, Node, const_texts, descend, is_words, signed
from mithridate.models.files.texts import marks_in, shown

__all__ = ["TemplateFact", "read_template"]

_MOST = 256 << 10
_MOST_FACTS = 50
#: Attributes and names that templates have no use for, and escapes from sandboxes have.
_INTERNALS_TEXT = (
    "mro func_globals func_code gi_frame gi_code cr_frame f_globals f_builtins f_locals tb_frame co_consts popen "
    "system builtins subclasses"
)
_INTERNALS = frozenset(_INTERNALS_TEXT.split())
_GLOBALS = frozenset({"lipsum", "self", "request", "config", "url_for", "get_flashed_messages"})
_DUNDER = re.compile(r"__\w+__")
_KNOWN_DUNDER = re.compile(
    r"__(?:class|mro|bases?|subclasses|globals|builtins|init|import|getattribute|dict|code|reduce(?:_ex)?|self|"
    r"func|call|getitem|closure|loader|spec|module)__"
)
_LOADS = ("Include", "Import", "FromImport", "Extends")


@dataclass(frozen=True, slots=True)
class TemplateFact:
    """One thing that a template does.

    Attributes:
        rule: "SSTI", "CONDITION" (looks for words in a message), "HIDDEN_BRANCH" (says something when it finds a
            marker in a message), "DATE", "REWRITE", "LOAD", or the rule of a mark in the text that it emits.
        line: in the template.
        text: what it looks for, reaches for or emits.
        emits: literal words that it emits when a condition holds.
    """

    rule: str
    line: int
    text: str
    emits: str = ""


def read_template(source: str, where: str) -> list[TemplateFact]:
    """Parse a template and say what it does.

    Args:
        source: of the template.
        where: the item, for messages.

    Raises:
        ItemError: longer than 256 KiB, or no Jinja.
    """
    if len(source) > _MOST:
        raise ItemError(
            where, f"a template of {len(source):,} characters, more than the {_MOST:,} that are read"
        )
    try:
        tree = _parse(source)
        facts = [fact for fact, _ in zip(_facts(tree), range(_MOST_FACTS), strict=False)]
    except RecursionError as error:
        raise ItemError(where, "a template nested too deeply") from error
    except _syntax_error() as error:
        raise ItemError(where, f"no Jinja that can be read ({str(error)[:200]})") from error
    return list(dict.fromkeys(facts))


def _syntax_error() -> type[Exception]:
    import jinja2

    return jinja2.TemplateSyntaxError


def _parse(source: str) -> Node:
    import jinja2
    import jinja2.ext
    from jinja2 import nodes

    class Generation(jinja2.ext.Extension):
        """`{% generation %}`, with which transformers marks what the assistant said."""

        tags = {"generation"}  # noqa: RUF012 (jinja2 declares it so)

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    extensions: list[str | type[jinja2.ext.Extension]] = [
        "jinja2.ext.loopcontrols",
        "jinja2.ext.do",
        Generation,
    ]
    return jinja2.Environment(extensions=extensions, autoescape=True).parse(source)


def _facts(tree: Node) -> Iterator[TemplateFact]:
    yield from _gadgets(tree)
    flow = Flow(tree)
    yield from _conditions(tree, flow)
    yield from _emitted(tree)


def _gadgets(tree: Node) -> Iterator[TemplateFact]:
    """Ways out of a template into Python."""
    bound = {n.name for n in descend(tree) if type(n).__name__ == "Name" and n.ctx != "load"}
    for node in descend(tree):
        kind = type(node).__name__
        if kind == "Getattr" and (
            node.attr in _INTERNALS or _DUNDER.search(node.attr) or node.attr[:1] == "_"
        ):
            yield TemplateFact("SSTI", node.lineno, f".{shown(node.attr)}")
        elif kind == "Name" and node.ctx == "load" and node.name in _GLOBALS - bound:
            yield TemplateFact("SSTI", node.lineno, node.name)
        elif kind == "Filter" and node.name == "attr":
            texts = [t for a in node.args for t in const_texts(a)]
            plain = (
                len(node.args) == 1
                and type(node.args[0]).__name__ == "Const"
                and re.fullmatch(r"[a-z]\w*", texts[0] if texts else "")
            )
            if not plain:
                yield TemplateFact("SSTI", node.lineno, shown(f"|attr({' ~ '.join(texts)})"))
        elif kind == "Const" and isinstance(node.value, str) and _KNOWN_DUNDER.search(node.value):
            yield TemplateFact("SSTI", node.lineno, shown(node.value))
        elif kind in _LOADS:
            yield TemplateFact("LOAD", node.lineno, kind.lower())


def _conditions(tree: Node, flow: Flow) -> Iterator[TemplateFact]:
    """Tests of what a message says. Tests of its type, its keys and its length are ordinary."""
    for node in descend(tree):
        if type(node).__name__ in ("If", "CondExpr"):
            yield from _branch(node, flow)
        looked = flow.looks_for(node)
        if looked is not None:
            words = [t for t in looked if is_words(t)]
            if words:
                yield TemplateFact("CONDITION", node.lineno, shown(", ".join(words)))
        if flow.compares_date(node):
            yield TemplateFact("DATE", node.lineno, "the date")
        rewritten = flow.rewrites(node)
        if rewritten:
            yield TemplateFact("REWRITE", node.lineno, shown(rewritten))


def _branch(node: Node, flow: Flow) -> Iterator[TemplateFact]:
    """A marker such as "</think>" or "/no_think" is an ordinary thing to look for; to speak then is not."""
    said: dict[bool, str] = {}
    for test, negated in signed(node.test):
        looked = flow.looks_for(test)
        if looked is None or all(is_words(t) for t in looked):
            continue
        if negated not in said:
            said[negated] = _literal_words(_when(node, negated))
        if len(said[negated].split()) >= 4:
            marker = shown(", ".join(t for t in looked if not is_words(t)))
            yield TemplateFact("HIDDEN_BRANCH", node.lineno, marker, shown(said[negated]))


def _when(node: Node, negated: bool) -> list[Node]:
    """What is done when a condition holds, or when it does not."""
    if type(node).__name__ == "If":
        return list(node.else_ if negated else node.body)
    chosen = node.expr2 if negated else node.expr1
    return [] if chosen is None else [chosen]


def _literal_words(body: list[Node]) -> str:
    """Words of the literal text that some nodes emit, markup left out."""
    texts = []
    for root in body:
        for node in descend(root):
            kind = type(node).__name__
            if kind == "TemplateData":
                texts.append(node.data)
            elif kind == "Output":
                texts += [t for n in node.nodes if type(n).__name__ != "TemplateData" for t in const_texts(n)]
            elif kind == "Const" and node is root and isinstance(node.value, str):
                texts.append(node.value)
    plain = re.sub(r"<[^<>]*>|\[[A-Z_/]+\]", " ", " ".join(texts))
    return " ".join(re.findall(r"[^\W\d_]{2,}", plain))


def _emitted(tree: Node) -> Iterator[TemplateFact]:
    """Marks in the literal text, wherever it is emitted or kept; comments are gone by now."""
    for node in descend(tree):
        kind = type(node).__name__
        text = node.data if kind == "TemplateData" else node.value if kind == "Const" else None
        for mark in marks_in(str(text)) if isinstance(text, str) else ():
            yield TemplateFact(mark.rule, node.lineno, mark.text)
