"""An ONNX file as an encoder: pictures or texts in, the first table of floats out; run by onnxruntime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Modality
from mithridate.core.errors import UsageError
from mithridate.models.encoders.base import EncoderError, to_vectors
from mithridate.models.encoders.pictures import stacked
from mithridate.models.onnx_file import open_session
from mithridate.models.onnx_graph import OnnxInput, table_output

__all__ = ["OnnxEncoder"]


class OnnxEncoder:
    """A graph with one input: pictures (b, c, h, w) or (b, h, w, c), or texts (b,) or (b, 1).

    Float inputs get pictures in [0, 1], integer ones in 0..255; where the graph leaves height and width free, they are
    those of the first picture.

    Args:
        path: the .onnx file; weights kept in other files are read only from its folder.
    """

    def __init__(self, path: Path) -> None:
        from mithridate.sources.digest import files_digest

        try:
            self._session = open_session(path)
            self._input = OnnxInput(self._session.get_inputs(), str(path))
            self._output = table_output(self._session.get_outputs(), str(path))
        except UsageError as error:
            raise EncoderError(error.expected, error.got, error.where, error.remedy) from error
        self._shape, self._kind = self._session.get_inputs()[0].shape, self._session.get_inputs()[0].type
        self._side: tuple[int, int] | None = None
        self.name, self.digest = f"onnx {path.name}", files_digest([("", path)])

    def __call__(self, raws: Any, modality: Modality) -> NDArray[np.float32]:
        """As `Encoder.__call__`."""
        if modality == "image" and len(self._shape) == 4:
            inputs = self._pictures(raws)
        elif modality == "text" and self._kind == "tensor(string)":
            inputs = np.array(raws, dtype=object).reshape(len(raws), *([1] * (len(self._shape) - 1)))
        else:
            got = f"{modality} data for an input {self._kind} {self._shape}"
            remedy = "Name a function MODULE:FUNCTION that makes its inputs."
            raise EncoderError("pictures for (b, c, h, w), or texts for strings", got, self.name, remedy)
        step = self._input.fixed or len(inputs)
        parts = []
        for start in range(0, len(inputs), step):
            part = inputs[start : start + step]
            out = self._session.run([self._output], {self._input.name: self._input.ready(part)})[0]
            parts.append(out[: len(part)])
        return to_vectors(np.concatenate(parts), len(raws), self.name)

    def _pictures(self, raws: Sequence[NDArray[np.uint8]]) -> NDArray[Any]:
        last = self._shape[3] in (1, 3) and self._shape[1] not in (1, 3)
        _, first, second, third = self._shape
        height, width, channels = (first, second, third) if last else (second, third, first)
        self._side = self._side or raws[0].shape[:2]
        side = tuple(
            want if isinstance(want, int) and want > 0 else have
            for want, have in zip((height, width), self._side, strict=True)
        )
        pictures = stacked(raws, (side[0], side[1]), channels if channels in (1, 3) else None)
        ordered = pictures if last else pictures.transpose(0, 3, 1, 2)
        floats = self._kind in ("tensor(float)", "tensor(float16)", "tensor(double)")
        return ordered / np.float32(255) if floats else ordered
