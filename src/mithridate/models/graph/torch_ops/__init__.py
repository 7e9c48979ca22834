"""ONNX operators written with torch, so that gradients flow through a graph. torch is imported inside functions."""
