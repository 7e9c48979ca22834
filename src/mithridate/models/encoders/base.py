"""What an encoder is, and why there is none."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import Modality
from mithridate.core.errors import UsageError

__all__ = ["Encoder", "EncoderError", "to_vectors"]


class EncoderError(UsageError):
    """The encoder named cannot be used here; the rest of an audit goes on without it."""


class Encoder(Protocol):
    """Turns samples into vectors.

    Attributes:
        name: for people.
        digest: of what decides the vectors: weights, preprocessing.
    """

    name: str
    digest: str

    def __call__(self, raws: Any, modality: Modality) -> NDArray[np.float32]:
        """Samples as a source gives them → (b, d) float32, one row for each.

        Raises:
            EncoderError: it was not made for such samples.
        """
        ...


def to_vectors(given: Any, count: int, name: str) -> NDArray[np.float32]:
    """What an encoder gave as (b, d) float32.

    Args:
        given: an array, a torch tensor or a nested list.
        count: b.
        name: of the encoder.

    Raises:
        EncoderError: something else, or of another length.
    """
    if hasattr(given, "detach"):
        given = given.detach().float().cpu().numpy()
    try:
        vectors = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        vectors, got = np.zeros(0, np.float32), f"{type(given).__name__}: {str(error)[:100]}"
    else:
        got = f"shape {vectors.shape}"
    if vectors.ndim != 2 or len(vectors) != count or not vectors.shape[1]:
        remedy = "An encoder gives one row of numbers for each sample."
        raise EncoderError(f"vectors of shape ({count}, d)", got, name, remedy)
    return vectors
