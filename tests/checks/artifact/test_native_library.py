"""Machine code: worse inside a model than beside one."""

import pytest
from format_items import item_of, severities

from mithridate.core.results import Severity

ELF = b"\x7fELF\2\1\1" + b"\0" * 64


def _inside(*kinds):
    item = None
    for kind in kinds:
        item = item_of(b"", kind, f"{item.name}!x" if item else f"model.{kind}", inside=item)
    return item


@pytest.mark.parametrize(
    ("kinds", "severity"),
    [
        ((), Severity.SUSPICIOUS),
        (("zip",), Severity.SUSPICIOUS),
        (("tar", "zip"), Severity.SUSPICIOUS),
        (("pt2",), Severity.LIKELY),
        (("torch",), Severity.LIKELY),
        (("torchscript", "zip"), Severity.LIKELY),
    ],
)
def test_library(kinds, severity):
    item = item_of(ELF, "library", "m.so", inside=_inside(*kinds))
    assert list(severities("native-library", item).values()) == [severity]
