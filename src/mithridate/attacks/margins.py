"""How sure a quickly trained linear model is of a sample's label: what worst-case flips are chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.base import Look
from mithridate.core.batch import Modality

__all__ = ["LinearMargins"]

_SIDE = 16  # pixels that a picture is shrunk to
_EPOCHS = 20


class LinearMargins:
    """A linear support vector machine (averaged stochastic gradient) over plain features of the samples.

    Texts are words and word pairs, hashed; rows are numbers in units of their spread and words one-hot; pictures
    are the raw pixels of a 16x16 copy, less their mean.

    Args:
        look: samples and labels it is trained on; those without a label are left out.

    Raises:
        ValueError: they have fewer than two labels.
    """

    def __init__(self, look: Look) -> None:
        from sklearn.linear_model import SGDClassifier

        known = [k for k, label in enumerate(look.labels) if label is not None]
        raws = [look.raws[k] for k in known]
        labels = [str(look.labels[k]) for k in known]
        self._features = _Features(look.modality, raws)
        self._model = SGDClassifier(max_iter=_EPOCHS, tol=None, average=True, random_state=0)
        self._model.fit(self._features(raws), labels)
        self._class = {name: k for k, name in enumerate(self._model.classes_.tolist())}

    def __call__(self, raws: Sequence[Any], labels: Sequence[str | None]) -> NDArray[np.float64]:
        """(b,) score of each sample's own label less the best other one; nan for a label never seen."""
        scores = np.asarray(self._model.decision_function(self._features(raws)), dtype=np.float64)
        if scores.ndim == 1:
            scores = np.stack([-scores, scores], axis=1)
        own = np.array([self._class.get(label or "", -1) for label in labels])
        rows = np.arange(len(own))
        mine = np.where(own >= 0, scores[rows, own], np.nan)
        scores[rows, own] = -np.inf
        margins: NDArray[np.float64] = mine - scores.max(axis=1)
        return margins


class _Features:
    """Samples → a matrix, the same columns for every call.

    Args:
        modality: what the samples are.
        raws: samples that units are learnt from.
    """

    def __init__(self, modality: Modality, raws: Sequence[Any]) -> None:
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.feature_extraction.text import HashingVectorizer

        self._modality = modality
        self._words = HashingVectorizer(ngram_range=(1, 2), n_features=2**18, alternate_sign=False)
        self._cells = FeatureHasher(n_features=2**16)
        self._units = _units(raws) if modality == "table" else {}
        self._middle = np.mean([_shrunk(raw) for raw in raws], axis=0) if modality == "image" else np.zeros(0)

    def __call__(self, raws: Sequence[Any]) -> Any:
        if self._modality == "text":
            return self._words.transform(raws)
        if self._modality == "table":
            return self._cells.transform([dict(self._entries(row)) for row in raws])
        return np.stack([_shrunk(picture) for picture in raws]) - self._middle

    def _entries(self, row: Mapping[str, Any]) -> list[tuple[str, float]]:
        entries = []
        for name, cell in row.items():
            if name in self._units and _is_number(cell):
                middle, spread = self._units[name]
                entries.append((name, float(np.clip((cell - middle) / spread, -5, 5))))
            else:
                entries.append((f"{name}={cell}", 1.0))
        return entries


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool) and cell == cell


def _units(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """{numeric column: (mean, standard deviation)}."""
    units = {}
    for name in rows[0]:
        numbers = np.array([float(row[name]) for row in rows if _is_number(row[name])])
        if len(numbers) and (spread := float(numbers.std())) > 0:
            units[name] = (float(numbers.mean()), spread)
    return units


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    from PIL import Image

    colours = (
        picture[..., :3]
        if picture.ndim == 3 and picture.shape[2] >= 3
        else picture.reshape(*picture.shape[:2])
    )
    small = Image.fromarray(colours).convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32).ravel() / np.float32(255)
