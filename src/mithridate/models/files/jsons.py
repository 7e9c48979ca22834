"""JSON from a stranger: bounded in size and depth, with keys that occur twice noted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mithridate.core.errors import ItemError

__all__ = ["read_json", "walk_json"]

#: Values are counted before they are made: each costs up to a hundred bytes.
_MOST_VALUES = 4_000_000
_MOST_WALKED = 2_000_000


def read_json(content: bytes | str, where: str, *, values: int = _MOST_VALUES) -> tuple[Any, list[str]]:
    """Parse JSON.

    Args:
        content: UTF-8.
        where: the item, for messages.
        values: how many values there may be.

    Returns:
        The value, and keys that occur twice in one object: readers differ on which of the two counts.

    Raises:
        ItemError: no JSON, nested too deeply, or too many values.
    """
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if sum(raw.count(mark) for mark in (b"[", b"{", b",")) > values:
        raise ItemError(where, f"JSON of more than {values:,} values")
    twice: list[str] = []

    def join(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        joined = dict(pairs)
        if len(joined) < len(pairs):
            seen: set[str] = set()
            twice.extend(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return joined

    try:
        value = json.loads(content, object_pairs_hook=join)
    except RecursionError as error:
        raise ItemError(where, "JSON nested too deeply") from error
    except ValueError as error:  # no JSON, no UTF-8, or a number with thousands of digits
        raise ItemError(where, f"no sound JSON ({str(error)[:200]})") from error
    return value, twice


def walk_json(value: Any, skip: frozenset[str] = frozenset()) -> Iterator[tuple[str, str, Any]]:
    """Every value within, the value itself first.

    Args:
        value: as parsed.
        skip: keys whose values are not entered.

    Yields:
        (path, key, value); what lies in a list has the key of the list.

    Raises:
        ValueError: there are too many.
    """
    rest: list[tuple[str, str, Any]] = [("", "", value)]
    count = 0
    while rest:
        path, key, value = rest.pop()
        yield path, key, value
        count += 1
        if count > _MOST_WALKED:
            raise ValueError(f"JSON of more than {_MOST_WALKED:,} values")
        if isinstance(value, dict):
            rest.extend(
                (f"{path}.{k}".lstrip("."), k, v) for k, v in reversed(value.items()) if k not in skip
            )
        elif isinstance(value, list):
            rest.extend((f"{path}[{i}]", key, value[i]) for i in range(len(value) - 1, -1, -1))
