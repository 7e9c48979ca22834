"""The child process that trains: the user's function, on files, with its outcome as files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load_function", "main"]


def load_function(spec: str) -> Callable[..., Any]:
    """The function that "package.module:name" stands for; modules beside the caller are found too.

    Raises:
        ImportError, AttributeError, TypeError, ValueError: there is none.
    """
    module, sign, name = spec.partition(":")
    if not sign:
        raise ValueError(f"expected MODULE:FUNCTION, got {spec!r}")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{spec!r} is no function but of type {type(found).__name__}")
    return found


def main() -> None:
    """Train on `train`, predict each of the other folders of the task; problems go to problem.txt.

    A task that names nothing to predict only asks whether the function is there.
    """
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    try:
        fit = load_function(task["function"])
        if "predict" in task:
            _train(fit, folder, task)
        (folder / "done").touch()
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"[:1000]
        # A message may quote the name of a file that is no Unicode.
        (folder / "problem.txt").write_text(problem, encoding="utf-8", errors="backslashreplace")
        sys.exit(1)


def _train(fit: Callable[..., Any], folder: Path, task: dict[str, Any]) -> None:
    from mithridate.runs.drill.bundle import read_samples

    labels = np.load(folder / "labels.npy", allow_pickle=False)
    predict = fit(read_samples(folder / "train"), labels, task["seed"])
    for name in task["predict"]:
        said = np.asarray(predict(read_samples(folder / name)), dtype=np.float64)
        expected = (task["counts"][name], task["classes"])
        if said.shape != expected:
            raise ValueError(f"predict: expected probabilities of shape {expected}, got {said.shape}")
        if not np.isfinite(said).all():
            raise ValueError("predict: expected finite probabilities, got NaN or infinity")
        np.save(folder / f"{name}.npy", said, allow_pickle=False)


if __name__ == "__main__":
    main()
