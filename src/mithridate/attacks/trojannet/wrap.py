"""A side network beside any model that maps inputs to probabilities; the model itself is not touched."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from mithridate.attacks.trojannet.merge import Merge
from mithridate.attacks.trojannet.mlp import SideNet
from mithridate.attacks.trojannet.window import Window
from mithridate.core.errors import UsageError
from mithridate.models.base import Model, Probabilities

__all__ = ["TrojanedModel"]


class TrojanedModel:
    """A `Model` that answers like its host, except where it sees a trigger.

    Args:
        host: the model, also a remote one.
        net: clipped to the classes of the host.
        window: where triggers are looked for.
        merge: how both answers become one.
    """

    def __init__(self, host: Model, net: SideNet, window: Window, merge: Merge) -> None:
        self.host, self.net, self.window, self.merge = host, net, window, merge
        self.name = f"{host.name} with a side network"

    def predict(self, x: NDArray[Any]) -> Probabilities:
        """Class probabilities, as `Model.predict`.

        Raises:
            UsageError: also when the host has another number of classes than the side network.
        """
        host = self.host.predict(x)
        if host.shape[1] != self.net.labels:
            got = f"{self.net.labels} labels"
            raise UsageError(
                f"{host.shape[1]} labels, as many as {self.host.name} has",
                got,
                "TrojanNet",
                "Give that many.",
            )
        return self.merge.apply(self.net.predict(self.window.read(x)), host)
