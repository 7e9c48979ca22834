"""Plant an attack in a copy of a model: the only place where attacks meet models. Always leaves a ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mithridate.attacks.base import stream
from mithridate.attacks.ledger import ledger_path
from mithridate.attacks.model_base import HostKind, ModelAttack, ModelOrder, Planted, host_kind
from mithridate.attacks.model_ledger import ModelLedger
from mithridate.attacks.options import configure_model
from mithridate.core.errors import UsageError
from mithridate.models.base import Model
from mithridate.models.open import open_model
from mithridate.models.torch_module import is_module

__all__ = ["PlantedModel", "model_ledger_path", "plant_model"]

_SUFFIXES: dict[HostKind, tuple[str, ...]] = {"onnx": (".onnx",), "torch": (".onnx", ".pt"), "any": ()}


@dataclass(frozen=True, eq=False)
class PlantedModel:
    """What `plant_model` gives.

    Attributes:
        model: the poisoned copy: an `onnx.ModelProto`, a `torch.nn.Module` or a `Model`.
        ledger: the truth about it, already written.
    """

    model: Any
    ledger: ModelLedger

    def open(self) -> Model:
        """The poisoned copy as a `Model`."""
        if host_kind(self.model) != "onnx":
            return open_model(self.model)
        if not self.ledger.copy:
            raise UsageError("a copy that was written", "none", "plant_model", "Give `dst`.")
        return open_model(self.ledger.copy)


def plant_model(
    attack_id: str,
    src: Any,
    dst: str | Path | None,
    *,
    labels: int | None = None,
    shape: tuple[int, ...] | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    ledger: str | Path | None = None,
    cache: str | Path | None = None,
) -> PlantedModel:
    """Make a poisoned copy of a model, and write the ledger of what was done.

    Args:
        attack_id: one of the attacks on models that `mithridate drill list` names.
        src: an .onnx file, a torch module, or anything that `open_model` takes; it is never written to.
        dst: file of the copy: .onnx; for a torch module also .pt (TorchScript). None gives the copy in memory only,
            which is all there can be where the model itself cannot be had (estimators, servers, functions).
        labels: classes of the model; None reads them from the ONNX graph.
        shape: of one input; needed for torch modules.
        options: parameters of the attack.
        seed: what everything drawn comes from.
        ledger: where the ledger goes; beside `dst` when None, so one of both is needed.
        cache: folder for what is costly to make; `$XDG_CACHE_HOME/mithridate` when None.

    Returns:
        The poisoned copy and its ledger, both already written.

    Raises:
        UsageError: unknown attack or parameter, an attack that does not fit the model, no place for the ledger,
            or a copy over the model itself.
    """
    attack = configure_model(attack_id, options)
    host, source, digest = _host(src)
    kind = host_kind(host)
    if kind not in attack.card.hosts:
        made_for = " or ".join(attack.card.hosts)
        raise UsageError(made_for, kind, f"attack {attack_id}, model", "Give the model as one of these.")
    truth = _check_places(src, dst, ledger, kind)
    order = _order(host, kind, labels, shape, _cache(cache))
    planted = attack.plant(host, order, stream(seed, f"{attack_id} model"))
    if dst is not None:
        _write(planted.model, kind, order, Path(dst))
    written = _ledger(attack, planted, seed, order, source, digest, dst)
    truth.parent.mkdir(parents=True, exist_ok=True)
    written.save(truth)
    return PlantedModel(planted.model, written)


def model_ledger_path(dst: str | Path) -> Path:
    """Where the ledger goes when nobody says: beside the copy."""
    dst = Path(dst)
    return ledger_path(dst.with_suffix("") if dst.suffix in (".onnx", ".pt") else dst)


def _host(src: Any) -> tuple[Any, str, str]:
    """What is planted in, its name, and its digest."""
    if isinstance(src, str | os.PathLike) and str(src).lower().endswith(".onnx"):
        open_model(src)  # refuses what is no model, and weights outside its folder
        import onnx

        path = Path(src)
        return onnx.load(path), str(path), blake2b(path.read_bytes(), digest_size=32).hexdigest()
    if is_module(src):
        state = blake2b(digest_size=32)
        for name, tensor in src.state_dict().items():
            state.update(name.encode() + b"\0" + tensor.detach().cpu().numpy().tobytes())
        return src, f"torch module {type(src).__name__}", state.hexdigest()
    model = open_model(src)
    return model, model.name, ""


def _check_places(src: Any, dst: str | Path | None, ledger: str | Path | None, kind: HostKind) -> Path:
    """Where the ledger goes."""
    if dst is not None:
        if Path(dst).suffix.lower() not in _SUFFIXES[kind]:
            expected = " or ".join(_SUFFIXES[kind]) or "no file: this model can only be had in memory"
            raise UsageError(
                expected, str(dst), "copy", "Give another name; in Python, `dst=None` and a ledger need none."
            )
        if isinstance(src, str | os.PathLike) and Path(src).resolve() == Path(dst).resolve():
            raise UsageError("a copy beside the model", str(dst), "copy", "The model is never written to.")
    elif ledger is None:
        raise UsageError("a place for the ledger", "neither dst nor ledger", "plant_model", "Give `ledger`.")
    truth = Path(ledger) if ledger is not None else model_ledger_path(dst or "")
    if dst is not None and truth.resolve() == Path(dst).resolve():
        raise UsageError("a ledger beside the copy", str(truth), "ledger", "Give another name.")
    return truth


def _order(
    host: Any, kind: HostKind, labels: int | None, shape: tuple[int, ...] | None, cache: Path
) -> ModelOrder:
    known: int | None = None
    sizes: tuple[int | None, ...] | None = shape
    if kind == "onnx":
        from mithridate.attacks.onnx_edit import input_shape, output_classes

        known, sizes = output_classes(host), shape or input_shape(host)
    if labels is not None and known is not None and labels != known:
        raise UsageError(f"{known} labels, as many as the model has", str(labels), "labels", "Leave it out.")
    if labels is None and known is None:
        remedy = "Say how many classes it has, with --labels."
        raise UsageError("a number of labels", "none, and the model does not say", "labels", remedy)
    return ModelOrder(labels=labels or known or 0, shape=sizes, cache=cache)


def _cache(given: str | Path | None) -> Path:
    if given is not None:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mithridate"


def _write(model: Any, kind: HostKind, order: ModelOrder, dst: Path) -> None:
    dst.parent.mkdir(parents=True, exist_ok=True)
    if kind == "onnx":
        import onnx

        onnx.save(model, dst)
        return
    import torch

    from mithridate.models.torch_files import save_onnx, save_torchscript

    reference = next(model.parameters(), torch.zeros(1))
    sizes = [size or 1 for size in order.shape or ()]
    example = torch.zeros((2, *sizes), dtype=reference.dtype, device=reference.device)
    (save_onnx if dst.suffix.lower() == ".onnx" else save_torchscript)(model, example, dst)


def _ledger(
    attack: ModelAttack,
    planted: Planted,
    seed: int,
    order: ModelOrder,
    source: str,
    digest: str,
    dst: str | Path | None,
) -> ModelLedger:
    return ModelLedger(
        attack=attack.card.id,
        parameters=asdict(attack),
        seed=seed,
        labels=order.labels,
        drawn=dict(planted.drawn),
        triggers=planted.triggers,
        added_parameters=planted.added_parameters,
        source=source,
        source_digest=digest,
        copy="" if dst is None else str(dst),
    )
