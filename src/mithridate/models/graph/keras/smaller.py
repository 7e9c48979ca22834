"""The description of a model that answers with another tensor, without the layers that nothing needs any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from mithridate.models.graph.keras.wiring import Model, Ref

__all__ = ["without"]


def without(config: Mapping[str, Any], model: Model, at: int, answer: Ref) -> dict[str, Any]:
    """The configuration of the smaller model.

    Args:
        config: of a functional model; it is not changed.
        model: the same, read.
        at: which of its answers is replaced.
        answer: by what.
    """
    outputs = [answer if number == at else ref for number, ref in enumerate(model.outputs)]
    kept = _needed(model, [*outputs, *model.inputs])
    now = {name: {call: number for number, call in enumerate(sorted(calls))} for name, calls in kept.items()}
    old = any(isinstance(node, list) for entry in config["layers"] for node in entry.get("inbound_nodes", ()))
    made = deepcopy(dict(config))
    made["layers"] = [entry for entry in made["layers"] if entry["name"] in kept]
    for entry in made["layers"]:
        nodes = entry.get("inbound_nodes", [])
        entry["inbound_nodes"] = [
            _renumbered(node, model, now) for call, node in enumerate(nodes) if call in kept[entry["name"]]
        ]
    ends = [_end(ref, model, now, old) for ref in outputs]
    single = len(ends) == 1 and _is_end(config["output_layers"])
    made["output_layers"] = ends[0] if single else ends
    return made


def _is_end(thing: Any) -> bool:
    return isinstance(thing, list) and len(thing) == 3 and isinstance(thing[0], str)


def _needed(model: Model, refs: Sequence[Ref]) -> dict[str, set[int]]:
    """Layer → the calls that some tensors are computed by."""
    kept: dict[str, set[int]] = {}
    rest = list(refs)
    while rest:
        ref = rest.pop()
        calls = kept.setdefault(ref.layer, set())
        if ref.call not in calls:
            calls.add(ref.call)
            rest.extend(model.layers[ref.layer].calls[ref.call].refs)
    return kept


def _renumbered(node: Any, model: Model, now: Mapping[str, Mapping[int, int]]) -> Any:
    """A call whose arguments are counted among the calls that stay."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            layer, call, output = node["config"]["keras_history"]
            node["config"]["keras_history"] = [layer, now[layer][int(call)], output]
            return node
        return {key: _renumbered(part, model, now) for key, part in node.items()}
    if not isinstance(node, list):
        return node
    if (
        len(node) in (3, 4) and isinstance(node[0], str) and node[0] in model.layers
    ):  # as older versions write it
        layer, call = node[0], int(node[1])
        more = 1 if model.layers[layer].model is not None and call else 0
        rest = [_renumbered(part, model, now) for part in node[2:]]
        return [layer, now[layer][call - more] + more, *rest]
    return [_renumbered(part, model, now) for part in node]


def _end(ref: Ref, model: Model, now: Mapping[str, Mapping[int, int]], old: bool) -> list[Any]:
    """An answer of the model; calls of functional models are counted from one there, and older ones of any."""
    layer = model.layers[ref.layer]
    more = layer.kind in ("Functional", "Model") or (old and layer.model is not None)
    return [ref.layer, now[ref.layer][ref.call] + int(more), ref.output]
