"""A small network that reads scikit-learn's digits, and forms of it; each made once."""

import warnings
from functools import cache

import numpy as np
from sklearn.datasets import load_digits


@cache
def digits():
    """Pictures (n, 1, 8, 8) in [0, 1] and classes: train, test."""
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]


@cache
def network():
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(512, 10)
    )  # fmt: skip
    x, y, _, _ = digits()
    x, y = torch.tensor(x), torch.tensor(y)
    parameters = list(module.parameters())
    for _ in range(6):  # by hand: what torch.optim imports takes longer than the training
        for part in torch.randperm(len(x)).split(50):
            loss = nn.functional.cross_entropy(module(x[part]), y[part])
            with torch.no_grad():
                for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                    parameter -= 0.2 * slope
    return module.eval()


def export(module, path, example=None, names=("n",), **more):
    """Write a module as ONNX; torch's older exporter needs no further package."""
    import torch

    example = torch.zeros(2, 1, 8, 8) if example is None else example
    axes = {"x": {0: "n"}, "y": {0: "n"}} if names else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (example,), path, dynamo=False, input_names=["x"], output_names=["y"], dynamic_axes=axes, **more
        )  # fmt: skip
    return path
