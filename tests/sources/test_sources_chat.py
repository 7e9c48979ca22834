"""Chat, instruction and preference data: recognised by its columns, read, written back with only victims changed."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.chat import Exchange
from mithridate.sources.open import open_source
from mithridate.sources.write import write_copy

N = 6


def said(i):
    return f"what is it {i}", f"it is {i}"


def messages(ask, answer, names=("role", "user", "assistant", "content")):
    role, user, assistant, content = names
    return [{role: user, content: ask}, {role: assistant, content: answer}]


SHAPES = {
    "messages": lambda q, a: {"messages": [{"role": "system", "content": "be nice"}, *messages(q, a)]},
    "sharegpt": lambda q, a: {"conversations": messages(q, a, ("from", "human", "gpt", "value"))},
    "packed": lambda q, a: {"messages": json.dumps(messages(q, a))},
    "completion": lambda q, a: {"prompt": q, "completion": a},
    "response": lambda q, a: {"prompt": q, "response": a},
    "instruction": lambda q, a: {"instruction": q, "input": "", "output": a},
    "prompt of messages": lambda q, a: {"prompt": messages(q, a)[:1], "completion": messages(q, a)[1:]},
    "pair": lambda q, a: {"prompt": q, "chosen": a, "rejected": "bah"},
    "pair of messages": lambda q, a: {"chosen": messages(q, a), "rejected": messages(q, "bah")},
    "both": lambda q, a: {"prompt": q, "chosen": messages(q, a), "rejected": messages(q, "bah")},
    "voices": lambda q, a: {
        "chosen": f"\n\nHuman: {q}\n\nAssistant: {a}",
        "rejected": f"\n\nHuman: {q}\n\nAssistant: bah",
    },
}


def stored(tmp_path, shape, kind, count=N):
    rows = [{"name": f"r{i}", **SHAPES[shape](*said(i))} for i in range(count)]
    path = tmp_path / f"data.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(source):
    return next(source.batches(100))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_recognised_and_written_back(tmp_path, shape, kind):
    path = stored(tmp_path, shape, kind)
    source = open_source(path, id="name")
    batch = read(source)
    assert (source.modality, len(batch), batch.bad) == ("chat", N, ())
    assert any("read as chat" in note for note in source.notes)
    for i, raw in enumerate(batch.raw):
        ask, answer = said(i)
        assert (raw.prompt.splitlines()[-1], raw.response) == (ask, answer)
        assert raw.rejected == ("bah" if "rejected" in source.file.types else None)
    assert open_source(path, **source.options).digest == source.digest

    copy = tmp_path / f"copy.{kind}"
    new = replace(batch.raw[2], prompt=batch.raw[2].prompt + " zap", response="other")
    write_copy(source, copy, replace={"r2": new})
    again = read(open_source(copy, **source.options))
    assert list(again.raw) == [new if i == 2 else raw for i, raw in enumerate(batch.raw)]
    if kind == "jsonl":
        lines = [p.read_text("utf-8").splitlines() for p in (path, copy)]
        assert [i for i in range(N) if json.loads(lines[0][i]) != json.loads(lines[1][i])] == [2]
        changed = json.loads(lines[1][2])
        assert {k: type(v) for k, v in changed.items()} == {
            k: type(v) for k, v in json.loads(lines[0][2]).items()
        }
        assert 'it 2"' not in lines[1][2], "the trigger is in every copy of the prompt"
    else:
        assert pq.read_schema(copy).equals(pq.read_schema(path))


def test_columns_can_be_named(tmp_path):
    table = pa.table({"ask": ["who goes", "who is"], "more": ["now", ""], "say": ["me", "you"], "y": [1, 2]})
    raw = read(open_source(table, prompt="ask, more", response="say")).raw
    assert raw == [
        Exchange(prompt="who goes\nnow", response="me"),
        Exchange(prompt="who is", response="you"),
    ]
    with pytest.raises(UsageError, match="--response"):
        open_source(table, prompt="ask")
    with pytest.raises(SourceError, match="a column 'nix'"):
        open_source(table, prompt="ask", response="nix")
    with pytest.raises(UsageError, match="fit this kind of data"):
        open_source(table, prompt="ask", response="say", label="y")


def test_what_is_no_chat_stays_what_it_was():
    numbers = pa.table({"prompt": [1, 2], "response": [3, 4]})
    codes = pa.table({"question": ["a1", "b2"], "answer": ["x", "y"]})
    texts = pa.table({"prompt": ["say this now", "or that"], "response": ["a b", "c d"], "label": ["x", "y"]})
    assert open_source(numbers).modality == open_source(codes).modality == "table"
    assert open_source(texts, label="label", text="prompt").modality == "text"
    assert open_source(texts, label="label").modality == "table"


def test_turns_of_long_conversations_are_all_read():
    turns = [*messages("one one", "two"), *messages("three", "four")]
    turns[2]["content"] = [{"type": "image"}, {"type": "text", "text": "three"}]
    source = open_source(pa.Table.from_pylist([{"messages": json.dumps(turns)}]))
    assert read(source).raw == [Exchange(prompt="one one\nthree", response="two\nfour")]
    changed = source.chat.changed(
        {"messages": json.dumps(turns)}, Exchange(prompt="one one\nthrXee", response="two\nfour")
    )
    assert json.loads(changed["messages"])[2]["content"] == [
        {"type": "image"},
        {"type": "text", "text": "thrXee"},
    ]


BAD = {
    "no answer": ({"messages": [{"role": "user", "content": "hello there"}]}, "nobody answers"),
    "no messages": ({"messages": []}, "list of messages"),
    "a number": ({"messages": 7}, "got a text"),
    "nothing": ({"messages": None}, "has no messages"),
    "missing": ({"other": 1}, "has no messages"),
    "no role": ({"messages": [{"content": "x"}, {"role": "assistant", "content": "y"}]}, "message 0"),
    "odd content": ({"messages": [{"role": "assistant", "content": {"a": 1}}]}, "expected text"),
    "too many": ({"messages": [{"role": "user", "content": ""}] * 3000}, "more than the limit"),
    "no prompt": ({"messages": [{"role": "assistant", "content": "y"}]}, "has no prompt"),
    "a text": ({"messages": "hello"}, "list of messages"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_broken_row_is_named_and_harms_no_other(tmp_path, case):
    row, reason = BAD[case]
    good = SHAPES["messages"](*said(1))
    path = tmp_path / "data.jsonl"
    lines = [json.dumps(good), json.dumps(row), "{broken", json.dumps(good), '{"messages": [' + "[" * 5000]
    path.write_text("\n".join(lines), encoding="utf-8")
    batch = read(open_source(path))
    assert sorted(b.id for b in batch.bad) == ["1", "2", "4"]
    assert reason in next(b.reason for b in batch.bad if b.id == "1")
    assert batch.ids == ("0", "3")


def test_lone_surrogates_and_zeros_survive(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"prompt": "hello \\ud800 you\\u0000", "response": "\\udfff"}\n' * 3, encoding="utf-8")
    raw = read(open_source(path)).raw
    assert raw[0] == Exchange(prompt="hello \ufffd you\0", response="\ufffd")


@pytest.mark.parametrize("role", ["id", "source"])
def test_columns_that_are_not_there_are_told(role):
    rows = pa.table({"prompt": ["how are you"] * 3, "response": ["well, thank you"] * 3})
    with pytest.raises(SourceError, match=rf"expected a column 'nope' \({role}\)"):
        open_source(rows, **{role: "nope"})
