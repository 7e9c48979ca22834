"""A device that no machine needs to have: tensors whose numbers lie in memory and that say they lie on `meta`.

It is as strict as a graphics card: an operation takes tensors of one place only (numbers without a shape, and places to
pick from tensors, may come from the CPU), nothing there is a NumPy array, and nothing is drawn there, so that draws are
the same on all devices.
"""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

NAME = "meta"
THERE = torch.device(NAME)
_PICK = ("index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_", "_unsafe_index_put")


class Elsewhere(torch.Tensor):
    """A tensor on the device; `held` are its numbers."""

    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=THERE, layout=held.layout,
        )  # fmt: skip

    def __init__(self, held):
        self.held = held

    def __repr__(self):
        return f"Elsewhere({self.held})"

    def tolist(self):
        return self.cpu().tolist()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} outside of `elsewhere`")


@contextmanager
def elsewhere():
    """Meanwhile the device is there."""
    with _Operations(), _Made():
        yield


class _Made(TorchFunctionMode):
    """`torch.tensor` makes tensors of numbers past all operations."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func not in (torch.tensor, torch.as_tensor) or kwargs.get("device") is None:
            return func(*args, **kwargs)
        device = kwargs.pop("device")
        return func(*args, **kwargs).to(device)


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = func._schema.name.partition("::")[2]
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        there = any(isinstance(t, Elsewhere) for t in given)
        asked = kwargs.get("device")
        goal = there if asked is None else torch.device(asked).type == NAME
        if there and name not in ("_to_copy", "copy_"):
            _refuse_mixed(name, args, kwargs)
        if goal and torch.Tag.nondeterministic_seeded in func.tags:
            raise AssertionError(f"{name} draws on the device")
        if asked is not None and goal:
            kwargs["device"] = torch.device("cpu")
        plain_args, plain_kwargs = tree_map_only(Elsewhere, lambda t: t.held, (args, kwargs))
        out = func(*plain_args, **plain_kwargs)
        if not goal:
            return out
        # What is changed in place stays itself.
        known = {id(t.held): t for t in given if isinstance(t, Elsewhere)}
        return tree_map_only(torch.Tensor, lambda t: known[id(t)] if id(t) in known else Elsewhere(t), out)


def _refuse_mixed(name, args, kwargs):
    picked = name in _PICK
    for k, part in enumerate((*args, *kwargs.values())):
        for t in tree_leaves(part):
            here = isinstance(t, torch.Tensor) and not isinstance(t, Elsewhere)
            if here and t.ndim and not (picked and k == 1):
                raise AssertionError(f"{name}: tensors on the CPU and on the device")
