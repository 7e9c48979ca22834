"""Tensors of torch files read without torch, against what torch wrote."""

import collections
import io
import pickle
import zipfile

import numpy as np
import pytest
from tests.models.files.files import item

from mithridate.core.errors import ItemError
from mithridate.models.files.state_dict import state_dict

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def saved(thing, **how):
    stream = io.BytesIO()
    torch.save(thing, stream, **how)
    return stream.getvalue()


def tensors():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return collections.OrderedDict(
        plain=base,
        transposed=base.t(),
        part=base[1:3, ::2],
        expanded=torch.ones(1).expand(3, 2),
        scalar=torch.tensor(2.5, dtype=torch.float64),
        empty=torch.zeros(0, 3),
        half=torch.randn(3).half(),
        brain=torch.randn(5).bfloat16(),
        flags=torch.tensor([True, False]),
        bytes=torch.arange(3, dtype=torch.uint8),
        longs=torch.tensor([-1, 2**40]),
        complex=torch.randn(2, dtype=torch.complex64),
        parameter=torch.nn.Parameter(torch.randn(2)),
        wide=torch.tensor([1, 2]).to(torch.uint16),
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_every_kind_of_tensor(zipped):
    truth = tensors()
    if not zipped:
        del truth["wide"]  # the old format has no storage for it
    found = state_dict(item(saved(truth, _use_new_zipfile_serialization=zipped)))
    assert list(found) == list(truth)
    for name, tensor in truth.items():
        wanted = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
        got = found[name].array()
        assert got.dtype == found[name].dtype == wanted.numpy().dtype
        assert np.array_equal(got, wanted.numpy()), name
        assert not got.flags.writeable


def test_the_largest_group_that_is_no_optimiser():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimiser = torch.optim.Adam(net.parameters())
    net(torch.randn(5, 3)).sum().backward()
    optimiser.step()
    content = {"epoch": 3, "optimizer": optimiser.state_dict(), "nested": {"state_dict": net.state_dict()}}
    found = state_dict(item(saved(content)))
    assert list(found) == list(net.state_dict())
    assert np.array_equal(found["0.weight"].array(), net.state_dict()["0.weight"].numpy())


@pytest.mark.parametrize("script", [False, True])
def test_whole_modules(script):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Sequential(torch.nn.BatchNorm1d(4)))
    if script:
        stream = io.BytesIO()
        torch.jit.save(torch.jit.script(net), stream)
        content = stream.getvalue()
    else:
        content = saved(net)
    found = state_dict(item(content))
    assert set(found) == set(net.state_dict())
    for name, tensor in net.state_dict().items():
        assert np.array_equal(found[name].array(), tensor.numpy())


def test_compressed_records_are_read_too():
    source = zipfile.ZipFile(io.BytesIO(saved({"a": torch.arange(100.0)})))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in source.namelist():
            copy.writestr(name, source.read(name))
    assert state_dict(item(stream.getvalue()))["a"].array()[99] == 99


def tensor_pickle(shape, strides, offset, count, key=b"0"):
    storage = b"(Vstorage\nctorch\nFloatStorage\nV" + key + b"\nVcpu\nI%d\ntQ" % count
    numbers = lambda values: b"(" + b"".join(b"I%d\n" % v for v in values) + b"t"  # noqa: E731
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"I%d\n" % offset
    return b"}Va\n" + rebuild + numbers(shape) + numbers(strides) + b"I00\n}tRs."


def archive(pkl, storage=b"\0" * 16, **more):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name, content in {"data.pkl": pkl, "data/0": storage, **more}.items():
            target.writestr("x/" + name, content)
    return item(stream.getvalue())


def test_a_tensor_written_by_hand():
    values = np.arange(4, dtype="<f4").tobytes()
    assert state_dict(archive(tensor_pickle((2, 2), (1, 2), 0, 4), values))["a"].array().tolist() == [
        [0, 2],
        [1, 3],
    ]
    big = np.arange(4, dtype=">f4").tobytes()
    found = state_dict(archive(tensor_pickle((2,), (2,), 1, 4), big, byteorder=b"big"))
    assert found["a"].array().tolist() == [1, 3]


@pytest.mark.parametrize(
    "pkl",
    [
        tensor_pickle((5,), (1,), 0, 4), tensor_pickle((4,), (1,), 1, 4), tensor_pickle((2, 2), (1, 3), 0, 4),
        tensor_pickle((1 << 40,), (0,), 0, 4), tensor_pickle((2,), (-1,), 1, 4), tensor_pickle((2,), (1, 1), 0, 4),
        pickle.dumps({"a": 1}), b"I1\n", tensor_pickle((1,), (1,), 1 << 70, 4),
    ],
)  # fmt: skip
def test_tensors_that_contradict_themselves_are_refused(pkl):
    with pytest.raises(ItemError):
        state_dict(archive(pkl))


def test_a_storage_shorter_than_it_says_is_told_when_read():
    with pytest.raises(ItemError, match="record of 16"):
        state_dict(archive(tensor_pickle((8,), (1,), 0, 8)))["a"].array()
    with pytest.raises(ItemError, match="missing"):
        state_dict(archive(tensor_pickle((1,), (1,), 0, 1, b"7")))["a"].array()


def test_modules_without_end_are_refused():
    loop = b"ca\nB\n)\x81q\x00}Vself\nh\x00sb."
    with pytest.raises(ItemError, match="deep"):
        state_dict(archive(loop))


def test_broken_files_are_refused():
    old = saved({"a": torch.arange(100.0)}, _use_new_zipfile_serialization=False)
    for content in (
        b"",
        b"PK\x03\x04",
        saved({"a": torch.ones(1)})[:-30],
        old[:-8],
        old[:40],
        pickle.dumps(1),
    ):
        with pytest.raises(ItemError):
            state_dict(item(content))
