"""What FGSM and PGD share: the loss of a torch module, its gradient by the input, a step and a projection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.attacks.evasion.base import Bounds, known_classes
from mithridate.core.errors import UsageError
from mithridate.models.base import TOLERANCE, Logits
from mithridate.models.torch_module import as_tensor, output_of

__all__ = ["Slope"]


class Slope:
    """Loss and gradient of a torch module by its inputs; its parameters get no gradient.

    Args:
        module: in evaluation mode already.
        logits: whether its outputs are logits; "auto" decides for each batch.
        bounds: of the inputs.
    """

    def __init__(self, module: Any, logits: Logits, bounds: Bounds) -> None:
        self.module, self.logits, self.bounds = module, logits, bounds

    def tensor(self, x: NDArray[Any]) -> Any:
        """Inputs where the module is, in its dtype."""
        return as_tensor(x, self.module)

    def __call__(self, x: Any, y: Any) -> tuple[Any, Any, Any]:
        """Loss (b,), whether each input is misread (b,), and the gradient of the loss by x.

        Args:
            x: (b, ...) tensor.
            y: (b,) true classes.

        Raises:
            UsageError: no gradient reaches the inputs, or none that is finite.
        """
        import torch

        name = f"torch module {type(self.module).__name__}"
        remedy = "Check shape and scaling of the inputs; a model without gradients takes `sign_noise`."
        x = x.detach().requires_grad_(True)
        try:
            with torch.enable_grad():
                output = output_of(self.module, x)
                known_classes(y, output.shape[1])
                loss = self._loss(output, y)
                gradient = torch.autograd.grad(loss.sum(), x)[0]
        except RuntimeError as error:
            got = str(error)[:300]
            raise UsageError("a module with gradients by these inputs", got, name, remedy) from error
        if not bool(torch.isfinite(gradient).all()):
            raise UsageError("a finite gradient", "NaN or infinity", name, remedy)
        return loss.detach(), (output.argmax(dim=1) != y).detach(), gradient

    def ascend(self, x: Any, gradient: Any, step: float) -> Any:
        """One step along the sign of the gradient, kept within the bounds."""
        return (x + step * gradient.sign()).clamp(*self.bounds)

    def project(self, x: Any, origin: Any, epsilon: float) -> Any:
        """The nearest input no value of which is more than epsilon from the origin."""
        return x.clamp(origin - epsilon, origin + epsilon).clamp(*self.bounds)

    def _loss(self, output: Any, y: Any) -> Any:
        import torch
        from torch.nn.functional import cross_entropy, nll_loss

        logits = self.logits
        if logits == "auto":
            sums = output.detach().sum(dim=1)
            logits = bool((output < 0).any() or ((sums - 1).abs() > TOLERANCE).any())
        if logits:
            return cross_entropy(output, y, reduction="none")
        # Above the smallest normal number, so that a certain answer still has a gradient.
        tiny = float(np.finfo(np.float32).tiny)
        return nll_loss(torch.log(output.clamp_min(tiny)), y, reduction="none")
