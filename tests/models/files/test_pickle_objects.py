"""Reading pickles as plain structures: what is built, what is refused, and that nothing is called."""

import collections
import datetime
import io
import pickle
import struct

import pytest

from mithridate.core.errors import ItemError
from mithridate.models.files.pickle_objects import Call, Global, Limits, Persistent, mapping_of, read_pickle

PLAIN = [
    None, True, 0, -1, 255, 70_000, 2**31, 2**70, 1.5, "é", b"bytes", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4),
    [], [1, [2]], {}, {"a": {"b": [1]}}, {1: 2, (1, "x"): 3}, {1, 2}, frozenset({3}),
]  # fmt: skip


def read(content, **limits):
    return read_pickle(io.BytesIO(content), "x.pkl", Limits(**limits) if limits else None)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_structures_come_back(protocol):
    plain = [thing for thing in PLAIN if protocol > 3 or not isinstance(thing, bytes | set | frozenset)]
    assert read(pickle.dumps(plain, protocol)) == plain


@pytest.mark.parametrize("protocol", range(6))
def test_objects_are_records(protocol):
    class_ = read(pickle.dumps(datetime.date(2020, 1, 2), protocol))
    assert isinstance(class_, Call)
    assert class_.function == Global("datetime", "date")
    ordered = read(pickle.dumps(collections.OrderedDict(a=1, b=[2]), protocol))
    assert mapping_of(ordered) == {"a": 1, "b": [2]}


def test_shared_things_stay_shared():
    inner = [1]
    read_back = read(pickle.dumps([inner, inner]))
    assert read_back[0] is read_back[1]


def test_the_stream_is_left_behind_the_pickle():
    stream = io.BytesIO(pickle.dumps(1) + pickle.dumps("two") + b"rest")
    assert read_pickle(stream, "x") == 1
    assert read_pickle(stream, "x") == "two"
    assert stream.read() == b"rest"


def test_nothing_is_called(tmp_path):
    canary = tmp_path / "canary"
    call = b"cbuiltins\nopen\n(V" + str(canary).encode() + b"\nVw\ntR."
    made = read(call)
    assert (made.function, made.arguments) == (Global("builtins", "open"), (str(canary), "w"))
    assert not canary.exists()


def test_records():
    assert read(b"Pkey\n.").id == "key"
    persistent = read(b"(Vstorage\nI1\ntQ.")
    assert isinstance(persistent, Persistent)
    assert persistent.id == ("storage", 1)
    assert read(b"(ios\nnothing\n.").function == Global("os", "nothing")
    built = read(b"ca\nB\n)\x81}(Vx\nI1\nub.")
    assert built.new
    assert built.state == {"x": 1}


def _nested(depth):
    return b"(" * depth + b"t" * depth + b"."


@pytest.mark.parametrize(
    "content",
    [
        b"", b"I1\n", b".", b"R.", b"h\x00.", b"(I1\nd.", b"t.", b"garbage", b"\x80\x02X\xff\xff\xff\x7fa.",
        b"}(]I1\nu.", pickle.dumps({(1, 2): 3})[:-4], b"\x97.", b"}" + _nested(5000)[:-1] + b"I1\ns.",
        b"\x8e" + struct.pack("<Q", 2**63) + b"x.",
    ],
)  # fmt: skip
def test_what_is_no_pickle_is_refused(content):
    with pytest.raises(ItemError):
        read(content)


def test_limits():
    content = pickle.dumps(list(range(1000)))
    assert read(content, opcodes=2000, size=len(content)) == list(range(1000))
    with pytest.raises(ItemError, match="steps"):
        read(content, opcodes=500)
    with pytest.raises(ItemError, match="larger"):
        read(content, size=len(content) - 1)


def test_depth_costs_nothing():
    deep = read(_nested(100_000))
    assert isinstance(deep, tuple)
