"""What a finding is about, as a short digest that stays the same from run to run.

Code scanning, JUnit and baselines speak of the same finding by it (SARIF 2.1.0, section 3.27.17,
`partialFingerprints`). Sample ids, row numbers, counts and p-values are not in it: a few more carriers do not make
another finding.
"""

from __future__ import annotations

import json
from hashlib import blake2b

from mithridate.core.results import Finding

__all__ = ["fingerprint"]

#: Details that say what was found, and not how much of it or in whom.
_WHAT = (
    "rule", "family", "key", "code_points", "cells", "column", "decimals", "place", "size", "source",
    "content_says", "label_says", "member", "module", "name", "names", "at", "type", "target", "operator",
    "location", "call", "tensor",
)  # fmt: skip


def fingerprint(finding: Finding) -> str:
    """16 hex digits of check, label and what was found; of a model also in which of its files.

    Args:
        finding: of any check.
    """
    what = {name: finding.details[name] for name in _WHAT if finding.details.get(name) is not None}
    if "rule" in what:  # of models: the target is a file
        what["file"] = finding.targets[:1]
    told = json.dumps([finding.check, finding.label, what], sort_keys=True, default=str)
    return blake2b(told.encode(), digest_size=8).hexdigest()
