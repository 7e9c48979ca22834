"""Names of operators, for those who read graphs as text: which touch files, which need a library of their own."""

from __future__ import annotations

__all__ = ["FILE_OPERATORS", "TORCH_NAMESPACES"]

#: Operators of PyTorch that read or write files or run Python (torch 2.13, `torch._C._jit_get_all_schemas`).
FILE_OPERATORS = frozenset(
    {"aten::save", "aten::from_file", "prim::PythonOp", "prim::IgnoredPythonOp", "debugprims::load_tensor"}
)
_NAMESPACES_TEXT = (
    "aten prim prims quantized quantization _quantized quantized_decomposed mkl mkldnn mkldnn_prepacked onednn "
    "inductor sparse profiler static_runtime prepacked rngprims torchvision torchaudio torchtext torchao export "
    "higher_order _caffe2 xnnpack metal vulkan_prepack"
)
#: Namespaces of operators that come with PyTorch and its own libraries.
TORCH_NAMESPACES = frozenset(_NAMESPACES_TEXT.split())
