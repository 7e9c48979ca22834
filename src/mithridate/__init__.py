"""Finds poison in machine-learning data and models, proves it, removes it, and drills for it.

>>> import mithridate
>>> report = mithridate.audit("photos/")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mithridate.core.report import Report
    from mithridate.runs.audit import audit
    from mithridate.runs.clean import clean
    from mithridate.runs.drill.run import drill
    from mithridate.runs.forget.run import forget
    from mithridate.runs.scan.run import scan
    from mithridate.runs.tracing.run import trace

__all__ = ["Report", "__version__", "audit", "clean", "drill", "forget", "scan", "trace"]
__version__ = "0.1.0"

_HOMES = {
    "Report": "mithridate.core.report",
    "audit": "mithridate.runs.audit",
    "clean": "mithridate.runs.clean",
    "drill": "mithridate.runs.drill.run",
    "forget": "mithridate.runs.forget.run",
    "scan": "mithridate.runs.scan.run",
    "trace": "mithridate.runs.tracing.run",
}


def __getattr__(name: str) -> Any:
    """Load a verb when it is first used, so that `import mithridate` stays cheap."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
