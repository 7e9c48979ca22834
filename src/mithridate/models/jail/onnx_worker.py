"""Inside the jail: ONNX models, run by onnxruntime on the CPU.

The model comes as bytes. Weights in other files cannot be read and custom operators not loaded: no file can be
opened in the jail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mithridate.models.jail.channel import Arrays

__all__ = ["methods"]


def methods(threads: int) -> Mapping[str, Any]:
    """Load onnxruntime.

    Args:
        threads: for the operators of a graph.
    """
    import onnxruntime

    sessions: dict[str, Any] = {}

    def load(header: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """`arrays["model"]` is the file, kept under `header["key"]`; the answer describes inputs and outputs."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            arrays["model"].tobytes(), options, providers=["CPUExecutionProvider"]
        )
        sessions[str(header.get("key", ""))] = session
        return {"inputs": _values(session.get_inputs()), "outputs": _values(session.get_outputs())}, {}

    def run(header: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """`arrays` are the inputs by name, `header["outputs"]` the names of what is wanted."""
        found = sessions[str(header.get("key", ""))].run(list(header["outputs"]), dict(arrays))
        if other := [type(a).__name__ for a in found if not isinstance(a, np.ndarray)]:
            raise TypeError(f"an output that is no tensor but a {other[0]}")
        return {}, dict(zip(header["outputs"], found, strict=True))

    return {"load": load, "run": run}


def _values(values: Any) -> list[list[Any]]:
    """Name, type and shape of each; a named or unknown dimension is text or null."""
    return [
        [v.name, v.type, [d if isinstance(d, int) else str(d or "") or None for d in v.shape]] for v in values
    ]
