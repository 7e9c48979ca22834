"""A reader of words in pictures, where one is installed: RapidOCR, whose models (PP-OCR) come with the package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line", "Reader", "can_read", "open_reader"]

_SURE = 0.8  # least confidence of a line
_SHORT, _LONG = 256, 640  # pixels that sides are brought to


@dataclass(frozen=True)
class Line:
    """Some words that stand together.

    Attributes:
        text: as it was read.
        box: (top, left, bottom, right) in shares of the picture.
    """

    text: str
    box: tuple[float, float, float, float]


Reader = Callable[[NDArray[np.uint8]], list[Line]]


def can_read() -> bool:
    """Whether a reader is installed."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def open_reader() -> Reader:
    """A reader that keeps to one thread; not to be shared by several.

    Raises:
        Exception: whatever its package raises where it is damaged.
    """
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # words that stand on their heads are not looked for
            "Global.max_side_len": _LONG,
            "Det.limit_type": "min",
            "Det.limit_side_len": _SHORT,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

    def read(picture: NDArray[np.uint8]) -> list[Line]:
        colours = np.repeat(picture[..., :1], 3, axis=2) if picture.shape[2] != 3 else picture
        return _lines(engine(np.ascontiguousarray(colours[..., ::-1])), picture.shape[0], picture.shape[1])

    return read


def _lines(told: Any, height: int, width: int) -> list[Line]:
    if told.txts is None or told.boxes is None:
        return []
    lines = []
    for text, sure, corners in zip(told.txts, told.scores, told.boxes, strict=True):
        if sure >= _SURE:
            (left, top), (right, bottom) = np.min(corners, axis=0), np.max(corners, axis=0)
            shares = np.clip([top / height, left / width, bottom / height, right / width], 0.0, 1.0)
            top, left, bottom, right = (round(float(share), 4) for share in shares)
            lines.append(Line(str(text), (top, left, bottom, right)))
    return lines
