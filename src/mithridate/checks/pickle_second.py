"""What another scanner of pickles says, where it is installed: modelaudit-picklescan, under MIT."""

from __future__ import annotations

from typing import Any

from mithridate.checks.pickle_names import Standing, standing
from mithridate.models.files.pickles import Ref

__all__ = ["MOST_BYTES", "second_opinion"]

#: Files larger than this are not read into memory for it.
MOST_BYTES = 32 << 20
_SECONDS = 30.0
#: What it says about calls and imports; its other rules also meet the limits of its own reading (in 15 of 81 ordinary
#: files of scikit-learn, NumPy and joblib).
_RULES = frozenset({"DANGEROUS_CALL", "DANGEROUS_GLOBAL", "EXTENSION_REF"})


def second_opinion(content: bytes) -> list[str]:
    """What it calls critical and is not listed here as ordinary; nothing where it is not installed.

    Args:
        content: one file that begins with a pickle.
    """
    try:
        import modelaudit_picklescan
    except ImportError:
        return []
    options = modelaudit_picklescan.ScanOptions(timeout_s=_SECONDS)
    report = modelaudit_picklescan.scan_bytes(content, options=options, enrich_call_graph=False)
    critical = [f for f in report.findings if f.severity.value == "critical" and f.rule_code in _RULES]
    return list(dict.fromkeys(str(found.message)[:300] for found in critical if not _ordinary(found)))


def _ordinary(found: Any) -> bool:
    """Whether it is about a name that ordinary files need: it lists its own, which are fewer."""
    details = found.details or {}
    module, name = details.get("module"), details.get("name")
    known = isinstance(module, str) and isinstance(name, str)
    return known and standing(Ref(str(module), str(name))) <= Standing.STOCK
