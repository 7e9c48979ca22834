"""Operators of torch (aten) in the vocabulary of ONNX."""
