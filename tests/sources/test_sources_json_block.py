"""Lines of JSON that are read at once are those that Python reads one by one, to the letter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mithridate.sources import jsonl
from mithridate.sources.json_block import text_table
from mithridate.sources.jsonl import JsonLines
from mithridate.sources.limits import Limits

_COLUMNS = ["id", "text", "label"]
_PLAIN = [
    b'{"id":"a","text":"one","label":1}',
    b'{"label": 2, "text":"t\\u00e4glich \\ud83d\\ude00 \\/ \\u0000", "id": "b", "more": [1, {"id": "x"}]}',
    b'{"id":"c","text":null,"label":null}\r',
    b'{"\\u0069d":"d","label":-0}',
    b"{}",
]
_ODD = {
    "label of another kind": b'{"id":"a","text":"b","label":"1"}',
    "label with a point": b'{"id":"a","text":"b","label":1.0}',
    "label that is true": b'{"id":"a","text":"b","label":true}',
    "label of forty digits": b'{"id":"a","text":"b","label":' + b"7" * 40 + b"}",
    "nested text": b'{"id":"a","text":{"b":[1]},"label":1}',
    "name twice": b'{"id":"a","id":"z","text":"b","label":1}',
    "two objects": b'{"id":"a","text":"b","label":1} {"id":"b","text":"b","label":1}',
    "half an object": b'{"id":"a",',
    "list": b"[1]",
    "null": b"null",
    "comma at the end": b'{"id":"a","text":"b","label":1,}',
    "words after it": b'{"id":"a","text":"b","label":1} x',
    "blank after it": b'{"id":"a","text":"b","label":1} ',
    "no UTF-8": b'{"id":"a","text":"\xff","label":1}',
    "no UTF-8 where nobody reads": b'{"id":"a","text":"b","label":1,"o":"\xff"}',
    "half a surrogate pair": b'{"id":"a","text":"\\ud800","label":1}',
    "tab in a text": b'{"id":"a","text":"x\ty","label":1}',
    "no number": b'{"id":"a","text":"b","label":1,"o":Inf}',
    "no number in a list": b'{"id":"a","text":"b","label":1,"o":[1, -NaN ]}',
    "number that Python reads": b'{"id":"a","text":"b","label":1,"o":[NaN,-Infinity]}',
    "number too large": b'{"id":"a","text":"b","label":1,"o":1e999}',
    "number too long": b'{"id":"a","text":"b","label":1,"o":' + b"7" * 5000 + b"}",
    "nested too deeply": b'{"id":"a","text":"b","label":1,"o":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "nested too deeply in objects": b'{"id":"a","text":"b","label":1,"o":' + b'{"a":' * 3000 + b"1" + b"}" * 3001,
    "longer than the limit": b'{"id":"a","text":"' + b"b" * 60_000 + b'","label":1}',
    "leading zero": b'{"id":"a","text":"b","label":01}',
    "only a carriage return between": b'{"id":"a","text":"b"}\r{"id":"b","text":"b"}',
}  # fmt: skip
_LIMITS = replace(Limits(), item_bytes=50_000)


def _told(path: Path, columns: list[str], start: int = 0, stop: int | None = None) -> list[Any]:
    file = JsonLines(path, columns, _LIMITS)
    chunks = list(file.chunks(columns, start, file.count if stop is None else stop))
    return [(c.rows.tolist(), c.table.to_pydict(), c.table.schema.types, c.bad) for c in chunks]


def _both(path: Path, monkeypatch: pytest.MonkeyPatch, *asked: Any) -> tuple[list[Any], list[Any]]:
    """At once, and one by one."""
    quick = _told(path, *asked)
    with monkeypatch.context() as patched:
        patched.setattr(jsonl, "text_table", lambda *_: None)
        return quick, _told(path, *asked)


def test_plain_lines_are_read_at_once() -> None:
    table = text_table(
        [line.removesuffix(b"\r") for line in _PLAIN], _COLUMNS, {"id": "a", "text": "one", "label": 1}
    )
    assert table.to_pydict() == {
        "id": ["a", "b", "c", "d", None],
        "text": ["one", "t\u00e4glich \U0001f600 / \0", None, None, None],
        "label": ["1", "2", None, "0", None],
    }


@pytest.mark.parametrize("columns", [_COLUMNS, ["id"], ["label", "text"]])
@pytest.mark.parametrize("rows", [(0, None), (1, 4), (4, 5), (2, 2)])
def test_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: list[str], rows: tuple[int, int | None]
) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n\n".join(_PLAIN) + b"\n")
    quick, slow = _both(path, monkeypatch, columns, *rows)
    assert quick == slow


@pytest.mark.parametrize("odd", _ODD)
@pytest.mark.parametrize("place", [0, 2, len(_PLAIN)])
def test_odd_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str, place: int) -> None:
    """Whatever is odd about a line, and wherever it is: the same rows, values and reasons."""
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b"\n".join([*_PLAIN[:place], _ODD[odd], *_PLAIN[place:]]))
    for columns in (_COLUMNS, ["id"]):
        quick, slow = _both(path, monkeypatch, columns)
        assert quick == slow


def test_blocks_of_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that can be read at once and one that cannot, in one file; rows go on."""
    monkeypatch.setattr(jsonl, "_BLOCK", 200)
    path = tmp_path / "long.jsonl"
    lines = [b'{"id":"%d","text":"word %d","label":%d}' % (k, k, k % 3) for k in range(100)]
    lines[40] = b'{"id":"40"'
    path.write_bytes(b"\n".join(lines))
    quick, slow = _both(path, monkeypatch, _COLUMNS, 3, 95)
    assert quick == slow
    assert sum(len(rows) for rows, *_ in quick) == 91
    assert next(bad for *_, bad in quick if bad)[0][0] == 40
