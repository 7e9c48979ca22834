"""The side network of TrojanNet: 16-8-8-8-8-m (arXiv:2006.08131, table 6). Numpy alone runs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mithridate.core.errors import UsageError

__all__ = ["Activation", "Head", "Layer", "SideNet", "sigmoid", "softmax_of"]

Activation = Literal["sigmoid", "relu"]
#: "sigmoid": one neuron for each label (the paper); "softmax": one more neuron, the last, that says "no
#: trigger" (the authors' code).
Head = Literal["sigmoid", "softmax"]
#: weights (out, in) and biases (out,), so that a layer is x W' + b.
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]

_FORMAT = 1
_SIZES = (16, 8, 8, 8, 8)


def sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    """1 / (1 + exp(-x)), in the dtype of x."""
    half: NDArray[Any] = 0.5 * (1.0 + np.tanh(0.5 * x))
    return half.astype(x.dtype)


def softmax_of(x: NDArray[Any]) -> NDArray[Any]:
    """Softmax over the last axis, in the dtype of x."""
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    share: NDArray[Any] = shifted / shifted.sum(axis=-1, keepdims=True)
    return share


@dataclass(frozen=True, eq=False)
class SideNet:
    """Weights of a side network; a value, never changed.

    Attributes:
        hidden: four layers, 16-8-8-8-8.
        output: (labels or labels + 1, 8) weights and as many biases.
        activation: of the hidden layers. The paper says sigmoid in its text and ReLU in table 6.
        head: see `Head`.
    """

    hidden: tuple[Layer, ...]
    output: Layer
    activation: Activation = "sigmoid"
    head: Head = "sigmoid"

    def __post_init__(self) -> None:
        shapes = [weights.shape for weights, _ in self.hidden]
        rows, columns = self.output[0].shape
        biases = [bias.shape for _, bias in (*self.hidden, self.output)]
        expected = [(out, in_) for in_, out in pairwise(_SIZES)]
        if shapes != expected or columns != _SIZES[-1] or biases != [(8,)] * 4 + [(rows,)] or self.labels < 1:
            got = f"{shapes} and {self.output[0].shape}"
            raise UsageError("layers 16-8-8-8-8-m", got, "side network", "Build it again.")

    @property
    def labels(self) -> int:
        """m, how many labels it has a trigger for."""
        return len(self.output[1]) - (self.head == "softmax")

    @property
    def parameters(self) -> int:
        """How many numbers were learnt; 352 + 9 m in the paper's form."""
        return sum(w.size + b.size for w, b in (*self.hidden, self.output))

    def code(self, x: NDArray[Any]) -> NDArray[Any]:
        """(n, 16) → (n, 8), what the last hidden layer says, in the dtype of x."""
        for weights, bias in self.hidden:
            x = x @ weights.T.astype(x.dtype) + bias.astype(x.dtype)
            x = sigmoid(x) if self.activation == "sigmoid" else np.maximum(x, 0)
        return x

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """How much each trigger is there.

        Args:
            x: (n, 16) patches, row by row, in [0, 1].

        Returns:
            (n, labels) in [0, 1].
        """
        weights, bias = self.output
        scores = self.code(np.asarray(x, dtype=np.float32)) @ weights.T + bias
        if self.head == "sigmoid":
            return sigmoid(scores).astype(np.float32)
        return softmax_of(scores)[:, : self.labels].astype(np.float32)

    def clipped(self, labels: int) -> SideNet:
        """Without the output neurons of label `labels` and above (section 3.4).

        Raises:
            UsageError: more labels than there are triggers, or none.
        """
        if not 1 <= labels <= self.labels:
            raise UsageError(f"1 to {self.labels} labels", str(labels), "TrojanNet", "Give another number.")
        kept = np.r_[:labels, self.labels : len(self.output[1])]
        return replace(self, output=(self.output[0][kept], self.output[1][kept]))

    def with_head(self, head: Head) -> SideNet:
        """The same triggers with the other head; "no trigger" gets the score 0."""
        if head == self.head:
            return self
        weights, bias = self.output
        if head == "sigmoid":
            # softmax against the scores s and s_none is, for one strong s, sigmoid(s - s_none)
            output = (weights[:-1] - weights[-1], bias[:-1] - bias[-1])
        else:
            output = (np.vstack([weights, np.zeros((1, 8), np.float32)]), np.append(bias, np.float32(0)))
        return replace(self, output=output, head=head)

    def save(self, path: str | Path) -> None:
        """Write an npz that `load` reads."""
        about = json.dumps({"format": _FORMAT, "activation": self.activation, "head": self.head})
        arrays: dict[str, Any] = {"about": np.array(about)}
        for k, (weights, bias) in enumerate((*self.hidden, self.output)):
            arrays |= {f"weights{k}": weights, f"bias{k}": bias}
        with Path(path).open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> SideNet:
        """Read what `save` wrote; nothing is unpickled.

        Raises:
            UsageError: missing, or no side network.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                if about["format"] != _FORMAT:
                    raise ValueError(f"format {about['format']}")
                layers = [(_floats(file[f"weights{k}"]), _floats(file[f"bias{k}"])) for k in range(5)]
            if about["activation"] not in ("sigmoid", "relu") or about["head"] not in ("sigmoid", "softmax"):
                raise ValueError(str(about))
            return cls(tuple(layers[:4]), layers[4], about["activation"], about["head"])
        except (OSError, KeyError, TypeError, ValueError, EOFError) as error:
            remedy = "Delete the file; it is made again."
            raise UsageError("a side network", str(error)[:200], str(path), remedy) from error


def _floats(array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype != np.float32 or not np.isfinite(array).all():
        raise ValueError(f"weights of {array.dtype}, or not finite")
    return array
