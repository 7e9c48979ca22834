"""Ids held as bytes are the same sequence of texts."""

import pytest

from mithridate.evidence.ids import Ids


def test_it_is_the_sequence_that_was_put_in() -> None:
    names = ["a", "", "ß/ü 漢", "\ud800", "x" * 300, "a"]
    ids = Ids(names[:2])
    ids.extend(names[2:])
    assert len(ids) == 6
    assert list(ids) == names
    assert [ids[k] for k in (0, 2, -1)] == [names[0], names[2], names[-1]]
    for part in (slice(1, 4), slice(None), slice(4, 2), slice(0, 6, 2), slice(None, None, -1), slice(3, 99)):
        assert ids[part] == names[part]
    with pytest.raises(IndexError):
        ids[6]
    assert ids == Ids(names)
    assert ids != Ids(names[1:])


def test_ten_thousand_in_order() -> None:
    assert list(Ids(map(str, range(10_000)))) == [str(k) for k in range(10_000)]
