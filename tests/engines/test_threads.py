"""Work behind the reading of items: in order, once for each, errors come through, little is read ahead."""

from __future__ import annotations

import pytest

from mithridate.engines.threads import behind


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_items_are_worked_on_in_order(jobs):
    done = []
    assert len(list(behind(done.append, range(50), jobs))) == 50
    assert done == list(range(50))
    assert list(behind(done.append, (), jobs)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_of_work_and_of_items_come_through(jobs):
    def refuse(item):
        if item == 3:
            raise KeyError(item)

    with pytest.raises(KeyError):
        list(behind(refuse, range(10), jobs))

    def items():
        yield 1
        raise OSError("cut")

    done = []
    with pytest.raises(OSError, match="cut"):
        list(behind(done.append, items(), jobs))
    assert done == [1]


@pytest.mark.parametrize("jobs", [1, 2])
def test_little_is_read_ahead(jobs):
    made, done = [], []

    def items():
        for n in range(30):
            made.append(n)
            assert len(made) - len(done) <= 5
            yield n

    for _ in behind(done.append, items(), jobs):
        pass
    assert done == made
