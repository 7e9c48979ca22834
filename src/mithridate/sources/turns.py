"""Conversations as people store them: lists of {role, content} or {from, value}, or one text with both voices.

What a turn says can be put back changed, in the form it was found in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

__all__ = ["Turn", "is_conversation", "turns_of", "with_texts"]

#: Who answers, as data sets call it; everybody else asks or sets the scene.
_ANSWERS = frozenset({"ai", "assistant", "bard", "bing", "bot", "chatgpt", "gpt", "model"})
_NAMES = (("role", "content"), ("from", "value"))
_VOICES = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")
_MOST = 2000  # turns of one conversation


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says at a time.

    Attributes:
        answers: whether it is the assistant.
        text: what is said.
    """

    answers: bool
    text: str


def is_conversation(value: Any) -> bool:
    """Whether a cell looks like a conversation rather than like one text."""
    parsed = _parsed(value)
    if isinstance(parsed, str):
        return _VOICES.match(parsed) is not None
    if not isinstance(parsed, list) or not parsed or not isinstance(parsed[0], Mapping):
        return False
    return any(who in parsed[0] and what in parsed[0] for who, what in _NAMES)


def turns_of(value: Any) -> list[Turn]:
    """The turns of a conversation.

    Raises:
        ValueError: it is none; the text says why.
    """
    parsed = _parsed(value)
    if isinstance(parsed, str):
        pieces = _VOICES.split(parsed)
        if len(pieces) == 1:
            raise ValueError("expected a list of messages, got a text")
        return [Turn(who == "Assistant", said) for who, said in zip(pieces[1::2], pieces[2::2], strict=True)]
    if not isinstance(parsed, Sequence) or not parsed:
        raise ValueError("expected a list of messages")
    if len(parsed) > _MOST:
        raise ValueError(f"{len(parsed):,} messages: more than the limit of {_MOST:,}")
    return [_turn(number, message) for number, message in enumerate(parsed)]


def with_texts(value: Any, texts: Sequence[str]) -> Any:
    """The conversation with other texts in its turns, in the form of `value`."""
    parsed = _parsed(value)
    if isinstance(parsed, str):
        pieces = _VOICES.split(parsed)
        marks = [m.group() for m in _VOICES.finditer(parsed)]
        return pieces[0] + "".join(mark + text for mark, text in zip(marks, texts, strict=True))
    changed = deepcopy(parsed)
    for message, text in zip(changed, texts, strict=True):
        _, content = _fields(message)
        message[content] = _put(message[content], text)
    return json.dumps(changed, ensure_ascii=False) if isinstance(value, str) else changed


def _parsed(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed if isinstance(parsed, list) else value


def _fields(message: Any) -> tuple[str, str]:
    if isinstance(message, Mapping):
        for who, what in _NAMES:
            if message.get(who) is not None and what in message:
                return who, what
    raise ValueError("expected a message with role and content, or from and value")


def _turn(number: int, message: Any) -> Turn:
    try:
        who, what = _fields(message)
        return Turn(str(message[who]).strip().lower() in _ANSWERS, _said(message[what]))
    except ValueError as error:
        raise ValueError(f"message {number}: {error}") from error


def _said(content: Any) -> str:
    """The text of a message; a message may be a list of parts, some of which are no text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for text in map(_part, content) if text)
    raise ValueError(f"expected text, got {type(content).__name__}")


def _part(part: Any) -> str:
    text = part.get("text") if isinstance(part, Mapping) else part
    return text if isinstance(text, str) else ""


def _put(content: Any, text: str) -> Any:
    """Content with another text, in the same form: of several parts the first takes all of it."""
    if not isinstance(content, list) or _said(content) == text:
        return content if isinstance(content, list) else text
    parts, left = list[Any](), text
    for part in content:
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            parts.append({**part, "text": left})
            left = ""
        elif isinstance(part, str):
            parts.append(left)
            left = ""
        else:
            parts.append(part)
    return parts
