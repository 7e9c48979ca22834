import numpy as np
from data_fakes import evidence, run

from mithridate.core.results import Clear, Severity


def made():
    copies, y = np.arange(60), np.arange(60) % 2
    copies[[20, 31]] = 4  # exact copies of row 4
    copies[50] = 9
    groups = copies.copy()
    groups[[13, 50]] = 9  # row 13 is near to row 9
    y[[4, 20, 31, 9, 13, 50]] = [0, 0, 0, 1, 0, 1]
    return evidence(y, copies=copies, groups=groups)


def test_copies_and_twins_are_counted():
    twins, repeats = run("duplicates", made())
    assert twins.severity is repeats.severity is Severity.INFO
    assert set(twins.accused) == {"s9", "s13", "s50"}
    assert set(repeats.accused) == {"s20", "s31", "s13", "s50"}
    assert repeats.targets[-1] == "s13"  # near copies after exact ones
    assert (repeats.details["exact"], repeats.details["near"]) == (3, 1)
    assert repeats.details["largest"][0] == {"first": "s4", "size": 3}


def test_no_duplicates_is_clear():
    (result,) = run("duplicates", evidence(np.zeros(9, int)))
    assert isinstance(result, Clear)


def test_without_labels_copies_are_still_counted():
    (repeats,) = run(
        "duplicates", evidence(None, copies=np.array([0, 1, 0, 3]), vectors={"x": np.zeros((4, 1))})
    )
    assert repeats.accused == ("s2",)


def test_batches_and_shards_do_not_matter():
    whole = run("duplicates", made())
    assert run("duplicates", made(), size=1) == whole
    assert run("duplicates", made(), size=7, jobs=4) == whole
