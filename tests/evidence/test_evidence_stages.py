from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from mithridate.core.batch import BadItem, Batch
from mithridate.evidence.roll import Roll
from mithridate.evidence.stages import Stages, load_record, load_roll, save_arrays, save_record, save_roll
from mithridate.evidence.store import DiskArray, DiskWriter, new_map, old_map


@dataclass
class Data:
    digest: str = "d"


@dataclass(frozen=True)
class Record:
    numbers: NDArray[np.float32]
    share: float
    count: int
    stored: DiskArray


def counted(folder, source=None, seed=0):
    """Run one stage; returns whether it was computed."""
    calls = []

    def compute():
        calls.append(1)
        return np.arange(3)

    stages = Stages(folder, source or Data(), seed)
    value = stages.run(
        "a", compute, lambda: np.load(folder / "a.npy"), lambda v: np.save(folder / "a.npy", v)
    )
    assert value.tolist() == [0, 1, 2]
    return bool(calls)


def test_a_finished_stage_is_not_computed_again(tmp_path):
    assert counted(tmp_path)
    assert not counted(tmp_path)


def other_seed(folder):
    return {"seed": 1}


def other_data(folder):
    return {"source": Data("e")}


def file_gone(folder):
    (folder / "a.npy").unlink()
    return {}


def file_cut(folder):
    (folder / "a.npy").write_bytes((folder / "a.npy").read_bytes()[:-3])
    return {}


def index_cut(folder):
    (folder / "stages.json").write_text('{"key": "')
    return {}


@pytest.mark.parametrize("spoil", [other_seed, other_data, file_gone, file_cut, index_cut])
def test_what_does_not_fit_is_computed(tmp_path, spoil):
    counted(tmp_path)
    assert counted(tmp_path, **spoil(tmp_path))


def test_another_version_counts_for_nothing(tmp_path, monkeypatch):
    counted(tmp_path)
    monkeypatch.setattr("mithridate.__version__", "next")
    assert counted(tmp_path)


def test_an_interrupted_stage_is_not_finished(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stages(tmp_path, Data(), 0).run("a", interrupted, list)
    assert counted(tmp_path)


def test_records_come_back(tmp_path):
    writer = DiskWriter(tmp_path / "r.i4", np.int32)
    writer.append(np.arange(5))
    record = Record(np.ones((2, 2), np.float32), 0.5, 7, writer.close())
    save_record(record, tmp_path / "r.npz")
    back = load_record(Record, tmp_path / "r.npz")
    assert (back.numbers == record.numbers).all()
    assert back.numbers.dtype == np.float32
    assert (back.share, back.count) == (0.5, 7)
    assert back.stored[:].tolist() == [0, 1, 2, 3, 4]
    (tmp_path / "r.i4").write_bytes(b"1234")
    with pytest.raises(ValueError, match="expected 20 bytes"):
        load_record(Record, tmp_path / "r.npz")


def test_nothing_is_unpickled(tmp_path):
    save_arrays(tmp_path / "r.npz", numbers=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_record(Record, tmp_path / "r.npz")


@pytest.mark.parametrize("labels", [None, ("y", None, "x")])
def test_the_roll_comes_back(tmp_path, labels):
    roll = Roll()
    bad = (BadItem(id="\udcff.png", reason="cut"),)
    for ids in (("a", "ü", "c"), ("d", "e", "f")):
        roll.add(Batch(ids=ids, rows=np.arange(3), modality="text", raw=[], labels=labels, bad=bad))
    save_roll(roll, tmp_path / "roll.json")
    back = load_roll(tmp_path / "roll.json")
    assert (back.ids, back.bad, back.sources()) == (roll.ids, roll.bad, (None, ()))
    assert back.labels()[1] == roll.labels()[1]
    assert str(back.labels()[0]) == str(roll.labels()[0])


def test_maps_have_the_size_they_were_made_with(tmp_path):
    new_map(tmp_path / "m", np.int16, (3, 2))[:] = 7
    assert (old_map(tmp_path / "m", np.int16, (3, 2)) == 7).all()
    with pytest.raises(ValueError, match="expected 16 bytes, got 12"):
        old_map(tmp_path / "m", np.int16, (4, 2))
