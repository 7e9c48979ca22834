from mithridate.core.wording import several


def test_one_is_told_from_several():
    assert [several(n, "sample") for n in (0, 1, 2000)] == ["0 samples", "1 sample", "2,000 samples"]
    assert [several(n, "group", "lie") for n in (1, 2)] == ["1 group lies", "2 groups lie"]
