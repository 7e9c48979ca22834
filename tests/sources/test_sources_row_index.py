"""Rows by id, ids that collide, files that are written while they are read, and lines of JSON."""

from __future__ import annotations

import json

import pytest

from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.jsonl import _loaded
from mithridate.sources.open import open_source
from mithridate.sources.row_index import RowIndex


class Blunt(str):
    """A text of which thousands share a hash."""

    __slots__ = ()

    def __hash__(self) -> int:
        return len(self)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)


def test_each_id_has_its_row_and_others_have_none():
    index = RowIndex(lambda: iter(f"id-{n * 7919 % 1000}" for n in range(1000)))
    assert index.repeated() == []
    assert index.rows(["id-0", "id-7919", "nobody", "id-919"]) == {"id-0": 0, "id-919": 1}


def test_ids_with_the_same_hash_are_told_apart():
    names = [Blunt("a"), Blunt("bb"), Blunt("c"), Blunt("dd"), Blunt("eee")]
    index = RowIndex(lambda: iter(names))
    assert index.repeated() == []
    assert index.rows(names) == {name: row for row, name in enumerate(names)}


def test_repeated_ids_come_in_order():
    assert RowIndex(lambda: iter(["b", "a", "c", "a", "b", "b"])).repeated() == ["b", "a"]


def test_no_rows():
    index = RowIndex(lambda: iter(()))
    assert index.rows(["a"]) == {}
    assert index.repeated() == []


def _written(path, names):
    lines = [
        json.dumps({"id": name, "text": f"word {name}", "y": "ab"[n % 2]}) for n, name in enumerate(names)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_samples_are_fetched_by_id_around_broken_lines(tmp_path):
    path = tmp_path / "ü.jsonl"
    _written(path, ["a", "b", "c"])
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text(
        "\n".join([lines[0], "{broken", lines[1], '{"text": "no id"}', lines[2]]), encoding="utf-8"
    )
    source = open_source(path, text="text", label="y", id="id")
    assert list(source.iter_ids()) == ["a", "row 1", "b", "row 3", "c"]
    found = source.fetch(("c", "a"))
    assert (found.ids, found.raw, found.bad) == (("c", "a"), ["word c", "word a"], ())
    with pytest.raises(UsageError, match="1 unknown ids: 'zzz'"):
        source.fetch(("zzz",))


def test_repeated_ids_are_refused_by_name(tmp_path):
    _written(tmp_path / "t.jsonl", ["a", "b", "a"])
    with pytest.raises(SourceError, match="1 ids that occur more than once: 'a'"):
        open_source(tmp_path / "t.jsonl", text="text", label="y", id="id")


def test_a_file_written_meanwhile_gives_no_other_sample(tmp_path):
    path = tmp_path / "t.jsonl"
    _written(path, ["a", "b", "c"])
    source = open_source(path, text="text", label="y", id="id")
    _written(path, ["c", "b", "a"])
    with pytest.raises(UsageError, match=r"other samples in its place: 'c'"):
        source.fetch(("a",))


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}', ' \t{"a": 1}\r', '{"a": 1} x', '{"a": 1}{"b": 2}', "", "  ", "nul", '{"a": NaN}', "-Infinity",
        '{"a": "\\ud800"}', "\x0b{}", "\xa0{}", "\ufeff{}", '{"a": 1}\x00', '"x',
        '{"a": 123456789012345678901234567890}',
        '{"a": 1e999}', '{"a": -0}', '{"a": 1, "a": 2}', "[" * 100_000,
    ],
)  # fmt: skip
def test_lines_are_read_as_the_library_reads_them(text):
    def told(load):
        try:
            return repr(load(text))
        except (ValueError, RecursionError) as error:
            return f"{type(error).__name__}: {error}"

    assert told(_loaded) == told(json.loads)
