"""A function or a torch module of the user as an encoder; it is their code, and runs in this process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Modality
from mithridate.models.encoders.base import EncoderError, to_vectors
from mithridate.models.encoders.pictures import stacked

__all__ = ["FunctionEncoder"]


class FunctionEncoder:
    """Samples → vectors by code of the user.

    Args:
        function: takes a list of b samples as a source gives them (uint8 pictures (h, w, c), texts, sounds as
            `core.sound.Sound`, rows of a table as dictionaries) and gives (b, d); or a torch module, which gets
            pictures as floats (b, c, h, w) in [0, 1], all of the size of the first; or takes no argument and gives one
            of these.
        name: for people.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        from mithridate.models.torch_module import is_module

        made = function if is_module(function) or _parameters(function) else function()
        if not callable(made):
            remedy = "It takes samples and gives vectors, or takes nothing and gives what does."
            raise EncoderError("a function or a torch module", type(made).__name__, name, remedy)
        self._function, self._module = made, is_module(made)
        self._side: tuple[int, int] | None = None
        self.name, self.digest = name, _digest(function, name)

    def __call__(self, raws: Any, modality: Modality) -> NDArray[np.float32]:
        """As `Encoder.__call__`."""
        if not self._module:
            rows = list(raws) if isinstance(raws, Sequence) else raws.to_pylist()  # a table knows its rows
            return to_vectors(self._function(rows), len(rows), self.name)
        if modality != "image":
            remedy = "Name a function that makes its inputs and asks it."
            raise EncoderError("pictures for a torch module", f"{modality} data", self.name, remedy)
        import torch

        from mithridate.models.torch_module import as_tensor, evaluating, output_of

        self._side = self._side or raws[0].shape[:2]
        pictures = stacked(raws, self._side).transpose(0, 3, 1, 2) / np.float32(255)
        with evaluating(self._function), torch.no_grad():
            out = output_of(self._function, as_tensor(pictures, self._function)).flatten(1)
        return to_vectors(out, len(raws), self.name)


def _parameters(function: Callable[..., Any]) -> bool:
    """Whether a function takes something: those of compiled code do not tell, and do."""
    try:
        return bool(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return True


def _digest(function: Callable[..., Any], name: str) -> str:
    """Of the file that the function stands in; what it loads is the user's to know."""
    from pathlib import Path

    from mithridate.sources.digest import files_digest

    try:
        path = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        path = None
    return files_digest([(name, Path(path or "?"))])
