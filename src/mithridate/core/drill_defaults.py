"""What a drill does unless it is told otherwise. Imports nothing heavy: the command line reads it for its help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["DRILL_DEFAULTS"]

#: Arguments of `mithridate.drill`; `out` is one on the command line only.
DRILL_DEFAULTS: Mapping[str, Any] = {
    "out": "mithridate-drill",
    "doses": (10, 25, 100, 500),
    "seeds": 3,
    "train_limit_s": 3600.0,
    "audit_limit_s": 3600.0,
}
