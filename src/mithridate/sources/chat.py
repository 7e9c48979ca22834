"""Chat, instruction and preference data: rows whose columns hold what was asked and what was answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mithridate.core.batch import BadItem, Batch
from mithridate.sources.base import quote, take
from mithridate.sources.columns import JOINT, ColumnSource, Roles, spread
from mithridate.sources.frames import Chunk, FrameFile
from mithridate.sources.limits import Limits
from mithridate.sources.turns import is_conversation, turns_of, with_texts

__all__ = ["ChatColumns", "ChatSource", "Exchange", "recognised"]

_PROMPTS = (("prompt",), ("instruction", "input"), ("instruction", "context"), ("instruction",), ("query",),
            ("question",))  # fmt: skip
_RESPONSES = ("response", "completion", "output", "answer")
_CONVERSATIONS = ("messages", "conversations", "conversation")
_LOOKED = 50  # cells looked at to tell prose from codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One sample.

    Attributes:
        prompt: all that was said before the answer, by users and by the system, joined by line ends.
        response: what the model shall learn to answer; of pairs the one that was preferred.
        rejected: of pairs the other one, else None.
    """

    prompt: str
    response: str
    rejected: str | None = None

    def __str__(self) -> str:
        """What was asked and what was answered."""
        return f"{self.prompt} ⟶ {self.response}"


@dataclass(frozen=True, slots=True)
class _Part:
    """One text of a side, and where it stands: the number of its turn, or None for the whole cell."""

    column: str
    turn: int | None
    text: str


@dataclass(frozen=True, kw_only=True)
class ChatColumns:
    """Which columns hold what. A cell is a text or a conversation.

    Attributes:
        prompt: none where the response's conversation holds the prompt too.
        response: the answer; of pairs the one preferred.
        rejected: of pairs the other one, else None.
    """

    prompt: tuple[str, ...]
    response: str
    rejected: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, each once."""
        named = (*self.prompt, self.response, *(() if self.rejected is None else (self.rejected,)))
        return tuple(dict.fromkeys(named))

    def told(self) -> str:
        """In words."""
        asked = quote(self.prompt) if self.prompt else f"the turns before the answer in {self.response!r}"
        beside = "" if self.rejected is None else f", preferred to {self.rejected!r}"
        return f"read as chat: prompts from {asked}, responses from {self.response!r}{beside}"

    def exchange(self, cells: Mapping[str, Any]) -> Exchange:
        """The sample of a row.

        Raises:
            ValueError: it has none; the text says why.
        """
        prompt, response, rejected = self._sides(cells)
        return Exchange(
            prompt=_joined(prompt),
            response=_joined(response),
            rejected=None if rejected is None else _joined(rejected),
        )

    def changed(self, cells: Mapping[str, Any], new: Exchange) -> dict[str, Any]:
        """{column: new cell} that make the row say `new`, each in the form of the old one.

        Raises:
            ValueError: the row has no sample.
        """
        texts: dict[tuple[str, int | None], str] = {}
        wanted = (new.prompt, new.response, new.rejected)
        for parts, text in zip(self._sides(cells), wanted, strict=True):
            if parts is not None and text is not None and _joined(parts) != text:
                said = spread(text, [part.text for part in parts])
                texts |= {(p.column, p.turn): t for p, t in zip(parts, said, strict=True) if p.text != t}
        texts |= self._echoed(cells, texts)
        found: dict[str, Any] = {}
        for column in dict.fromkeys(column for column, _ in texts):
            if (column, None) in texts:
                found[column] = texts[column, None]
                continue
            old = turns_of(cells[column])
            said = [texts.get((column, number), turn.text) for number, turn in enumerate(old)]
            found[column] = with_texts(cells[column], said)
        return found

    def _echoed(
        self, cells: Mapping[str, Any], texts: Mapping[tuple[str, int | None], str]
    ) -> dict[tuple[str, int | None], str]:
        """New texts of turns that repeat a changed part of the prompt in another column."""
        asked = {
            p.text: texts[p.column, p.turn] for p in self._sides(cells)[0] if (p.column, p.turn) in texts
        }
        found: dict[tuple[str, int | None], str] = {}
        for column in (self.response, self.rejected) if asked else ():
            if column is not None and is_conversation(cells[column]):
                turns = enumerate(turns_of(cells[column]))
                found |= {(column, at): asked[t.text] for at, t in turns if not t.answers and t.text in asked}
        return found

    def _sides(self, cells: Mapping[str, Any]) -> tuple[list[_Part], list[_Part], list[_Part] | None]:
        response = self._answers(self.response, cells)
        rejected = None if self.rejected is None else self._answers(self.rejected, cells)
        if self.prompt and self.prompt != (self.response,):
            prompt = [part for column in self.prompt for part in _cell(column, cells)]
        else:
            turns = enumerate(turns_of(cells[self.response]))
            prompt = [_Part(self.response, at, turn.text) for at, turn in turns if not turn.answers]
        if not prompt:
            raise ValueError("has no prompt")
        return prompt, response, rejected

    def _answers(self, column: str, cells: Mapping[str, Any]) -> list[_Part]:
        value = cells.get(column)
        if value is None:
            raise ValueError(f"has no {column}")
        whole = not self.prompt or self.prompt == (column,)
        if not whole and not is_conversation(value):
            return _cell(column, cells)
        turns = [_Part(column, at, turn.text) for at, turn in enumerate(turns_of(value)) if turn.answers]
        if not turns:
            raise ValueError(f"{column}: nobody answers")
        return turns


def _cell(column: str, cells: Mapping[str, Any]) -> list[_Part]:
    value = cells.get(column)
    if value is None:
        return []
    if is_conversation(value):
        return [_Part(column, at, turn.text) for at, turn in enumerate(turns_of(value))]
    if isinstance(value, list | dict | tuple):
        raise ValueError(f"{column}: expected text or messages, got {type(value).__name__}")
    return [_Part(column, None, value if isinstance(value, str) else str(value))]


def _joined(parts: Sequence[_Part]) -> str:
    return JOINT.join(part.text for part in parts if part.text)


class ChatSource(ColumnSource):
    """Samples that are exchanges; rows that hold none are bad items.

    Args:
        file: the rows.
        chat: which columns hold what.
        id: the column that names a sample, or None.
        source: the column that says where a sample came from, or None.
        options: see `RowSource`.
        limits: what one item may cost.
    """

    def __init__(
        self, *, file: FrameFile, chat: ChatColumns, id: str | None, source: str | None,
        options: dict[str, Any], limits: Limits,
    ) -> None:  # fmt: skip
        roles = Roles(label=None, id=id, source=source, text=chat.columns, features=())
        super().__init__(file=file, roles=roles, options=options, limits=limits)
        self.chat, self.modality = chat, "chat"
        self.notes = (chat.told(), *self.notes)

    def _batch(self, pieces: list[Chunk]) -> Batch:
        batch = super()._batch(pieces)
        told = [(k, raw) for k, raw in enumerate(batch.raw) if isinstance(raw, str)]
        if not told:
            return batch
        bad = tuple(BadItem(id=batch.ids[k], reason=reason) for k, reason in told)
        kept = np.setdiff1d(np.arange(len(batch.raw)), [k for k, _ in told])
        return replace(take(batch, kept), bad=(*batch.bad, *bad))

    def _raw(self, table: Any) -> Any:
        """Exchanges; where there is none, the reason."""
        columns = {name: table.column(name).to_pylist() for name in self.chat.columns}
        found: list[Exchange | str] = []
        for cells in zip(*columns.values(), strict=True):
            try:
                found.append(self.chat.exchange(dict(zip(columns, cells, strict=True))))
            except (ValueError, RecursionError) as error:
                found.append(str(error) or "nested too deeply")
        return found


def recognised(types: Mapping[str, Any], peek: Callable[[str], Sequence[Any]]) -> ChatColumns | None:
    """How to read rows with these columns as chat, told by their names and first cells; None if they are none.

    Args:
        types: {column: Arrow type}.
        peek: column → its first cells that are not empty.
    """
    by_name = {name.lower(): name for name in types}
    for name in _CONVERSATIONS:
        if name in by_name and any(map(is_conversation, peek(by_name[name])[:_LOOKED])):
            return ChatColumns(prompt=(), response=by_name[name])
    prompt = next(
        (tuple(by_name[c] for c in names) for names in _PROMPTS if all(c in by_name for c in names)), ()
    )
    if "chosen" in by_name and "rejected" in by_name:
        chosen, rejected = by_name["chosen"], by_name["rejected"]
        if prompt or any(map(is_conversation, peek(chosen)[:_LOOKED])):
            return ChatColumns(prompt=prompt, response=chosen, rejected=rejected)
    response = next((by_name[c] for c in _RESPONSES if c in by_name), None)
    if not prompt or response is None or not _asks(peek(prompt[0])[:_LOOKED]):
        return None
    nested = [is_conversation(v) or isinstance(v, str) for v in peek(response)[:_LOOKED]]
    return ChatColumns(prompt=prompt, response=response) if nested and all(nested) else None


def _asks(cells: Sequence[Any]) -> bool:
    """Whether these are texts of several words, or conversations, mostly."""
    asks = [is_conversation(v) or (isinstance(v, str) and len(v.split()) > 1) for v in cells]
    return bool(asks) and sum(asks) > len(asks) / 2
