"""Mode connectivity by the number of clean samples, beside fine-tuning, pruning, noise and training from nothing.

    python -m benchmarks.path [--set cifar10] [--attacks BadNets] [--rates 0.1] [--sizes 2500 1000 500 250 50] [--twin]

Attack success and accuracy (of test pictures that nothing saw) along the path, which here may know the planted trigger:
this asks whether the path does what Zhao et al. (arXiv:2005.00060, section 3) found, not whether a user could choose a
place on it. Ends: the model and its fine-tuned copy; with `--twin`, two models trained on the same poisoned pictures
with other seeds, as in the paper. The budget of each end, path and method is 20 passes over the clean samples, at least
a tenth of the training.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch

from benchmarks.inputs import cache_folder
from benchmarks.networks import Recipe, fit_network, small_cnn
from benchmarks.repair import Cell, models, options, pictures, trained
from benchmarks.zoo_networks import Normalised
from mithridate.repairs.base import REPAIRS, RepairScope
from mithridate.repairs.fine_tuning import fine_tuned
from mithridate.repairs.layers import reset_norms
from mithridate.repairs.mode_connectivity import POINTS, connected

__all__ = ["main"]

_OTHER = 1000  # added to the seed of a twin's training
_NOISE = 0.05  # of the standard deviation of each tensor


def _scope(cell: Cell, size: int) -> RepairScope:
    x, y = cell.clean(size / len(cell.bench.train[1]))
    budget = max(20 * len(x), cell.passes // 10)
    some = max(10, len(x) // 10)  # which pruning watches, of the samples that all learn from
    return RepairScope(
        x=x, y=y, held=(x[:some], y[:some]), classes=cell.bench.classes, passes=budget, seed=cell.seed
    )


def _noisy(module: Any, scope: RepairScope) -> Any:
    draw = torch.Generator().manual_seed(scope.seed)
    copy = deepcopy(module)
    with torch.no_grad():
        for p in copy.parameters():
            spread = _NOISE * (p.std() if p.numel() > 1 else p.abs().mean())
            p += torch.randn(p.shape, generator=draw) * spread
    reset_norms(copy, scope.x)
    return copy.eval()


def _scratch(cell: Cell, scope: RepairScope) -> Any:
    recipe = Recipe(make=small_cnn, epochs=max(1, scope.passes // len(scope.x)))
    net, mean, spread = fit_network(pictures(scope.x), scope.y.numpy(), cell.bench.classes, recipe, cell.seed)
    return Normalised(net.to(memory_format=torch.contiguous_format), mean, spread).eval()


def _told(name: str, figures: tuple[float, float]) -> str:
    return f"{name}: {100 * figures[0]:.1f}, {100 * figures[1]:.1f}"


def shown(cell: Cell, size: int, twin: Any) -> None:
    """Print success and accuracy of everything for one number of clean samples."""
    scope, module = _scope(cell, size), cell.module
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    far = fine_tuned(deepcopy(module), scope, epochs=100) if twin is None else twin
    path = connected(module, far, scope, epochs=100)
    print(f"{cell.name}, {len(scope.x)} clean samples; success, accuracy")
    print("  path: " + "; ".join(_told(f"t={t:g}", cell.figures(path.at(t))) for t in POINTS), flush=True)
    rows = [_told("noise", cell.figures(_noisy(module, scope)))]
    for method in ("fine-tuning", "fine-pruning"):
        kind = REPAIRS.get(method)
        assert kind is not None
        rows.append(_told(method, cell.figures(kind().heal(deepcopy(module), scope).eval())))
    rows.append(_told("from nothing", cell.figures(_scratch(cell, scope))))
    print("  " + "; ".join(rows), flush=True)


def main() -> None:
    """Print one block for each model and size."""
    parser = options(__doc__, ["BadNets"])
    parser.add_argument("--sizes", nargs="*", type=int, default=[2500, 1000, 500, 250, 50])
    parser.add_argument("--twin", action="store_true", help="another poisoned model as the other end")
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = cache_folder(given.cache) / "repair"
    folder.mkdir(exist_ok=True)
    for cell in models(given, folder):
        twin = None
        if given.twin:
            twin = trained(cell.bench, cell.plan, cell.seed + _OTHER, folder / f"{cell.name}-twin.pt")
        for size in given.sizes:
            shown(cell, size, twin)


if __name__ == "__main__":
    main()
