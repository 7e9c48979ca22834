"""A reader of words in pictures, where one is installed: RapidOCR, whose models (PP-OCR) come with the package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SMALLEST", "Line", "Reader", "can_read", "open_reader", "readable"]

#: Pixels of the longer side of a picture; in smaller ones nobody reads anything.
SMALLEST = 48
_SURE = 0.8  # least confidence of a line
_SHORT, _LONG = 256, 640  # pixels that sides are brought to
_THIN, _SLIM = 16, 32  # pixels of the shorter side, and how many times longer the longer one may be


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


def readable(height: int, width: int) -> bool:
    """Whether words may stand in a picture of so many pixels; thinner ones would be blown up without bounds."""
    short, long = sorted((height, width))
    return long >= SMALLEST and short >= _THIN and long <= _SLIM * short


def open_reader() -> Reader:
    """A reader of pictures that are `readable`; keeps to one thread, and is not to be shared by several.

    Raises:
        Exception: whatever its package raises where it is damaged.
    """
    import rapidocr

    models = Path(str(rapidocr.__file__)).with_name("models")
    engine = rapidocr.RapidOCR(
        params={
            # By path: what is missing or damaged is an error then, and not downloaded.
            "Det.model_path": str(_newest(models, "det")),
            "Rec.model_path": str(_newest(models, "rec")),
            "Global.log_level": "critical",
            "Global.use_cls": False,  # words that stand on their heads are not looked for
            "Global.max_side_len": _LONG,
            "Det.limit_type": "min",
            "Det.limit_side_len": _SHORT,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

    # Models are loaded when they are first used: here, so that errors are raised here.
    blank = np.full((SMALLEST, SMALLEST, 3), 255, dtype=np.uint8)
    for detect in (True, False):
        engine(blank, use_det=detect)

    def read(picture: NDArray[np.uint8]) -> list[Line]:
        colours = np.repeat(picture[..., :1], 3, axis=2) if picture.shape[2] != 3 else picture
        told = engine(np.ascontiguousarray(colours[..., ::-1]), use_det=True)
        return _lines(told, picture.shape[0], picture.shape[1])

    return read


def _newest(models: Path, kind: str) -> Path:
    """The package's own small model of many scripts."""
    found = sorted(models.glob(f"PP-OCR*_{kind}_small.onnx"))
    if not found:
        raise FileNotFoundError(f"no PP-OCR*_{kind}_small.onnx in {models}; install rapidocr again")
    return found[-1]


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
