"""The child process of a drill: audits what it is told to, and knows of no ledger.

One task per line on stdin, JSON; progress and outcomes as JSON lines on stdout. One process serves many tasks, so
that imports and what the copies have in common are paid for once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from mithridate.core.errors import MithridateError

__all__ = ["main"]


def main() -> None:
    """Serve tasks until stdin ends."""
    # Whatever a library prints must not get between the lines.
    with os.fdopen(os.dup(1), "w", encoding="ascii") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            _serve(json.loads(line), answers)


def _serve(task: Mapping[str, Any], answers: IO[str]) -> None:
    def tell(**words: Any) -> None:
        answers.write(json.dumps(words) + "\n")
        answers.flush()

    try:
        _audit(task, lambda stage, done, total: tell(stage=stage, done=done, total=total))
    except MithridateError as error:
        tell(error=str(error))
    except Exception as error:
        tell(error=f"{type(error).__name__}: {error}")
    else:
        tell(finished=True)


def _audit(task: Mapping[str, Any], progress: Any) -> None:
    from mithridate.report.files import write_json
    from mithridate.runs.audit import audit
    from mithridate.sources.open import open_source

    source = open_source(task["data"], **task["reading"])
    with TemporaryDirectory(prefix="mithridate-", dir=task["work"]) as folder:
        report = audit(source, seed=task["seed"], jobs=task["jobs"], work=folder, progress=progress)
        write_json(report, Path(task["report"]))


if __name__ == "__main__":
    main()
