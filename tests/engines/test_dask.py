"""A Dask cluster reads shards: same report as one process, also where a worker is killed or no cluster is there."""

import pytest
from tests.engines.test_shards import _die, _die_once, pictures, said  # noqa: F401

import mithridate
from mithridate.core.errors import UsageError
from mithridate.engines.spread import engine_of

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dask")]


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as running:
        yield running.scheduler_address.replace("tcp://", "dask://")


def test_two_workers_give_the_report_of_one_process(cluster, pictures, tmp_path):  # noqa: F811
    whole = mithridate.audit(pictures, jobs=1)
    place = tmp_path / "kept"
    assert said(mithridate.audit(pictures, jobs=1, engine=cluster, shards=5, shards_at=place)) == said(whole)
    assert len(list(place.iterdir())) == 5


def test_a_killed_worker_costs_its_piece(cluster, tmp_path):
    tasks = [(tmp_path, number) for number in range(6)]
    assert sorted(number for _, number in engine_of(cluster, 1).run(_die_once, tasks)) == list(range(6))
    assert (tmp_path / "died").exists()
    with pytest.raises(UsageError, match="workers that live"):
        list(engine_of(cluster, 1).run(_die, tasks[:1]))


def test_no_scheduler_there(pictures, monkeypatch):  # noqa: F811
    with pytest.raises(UsageError, match="a Dask scheduler"):
        mithridate.audit(pictures, engine="dask://127.0.0.1:1")
