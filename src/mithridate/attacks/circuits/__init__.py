"""What backdoors made of operators share: circuits that are written once and built in ONNX graphs and in torch."""
