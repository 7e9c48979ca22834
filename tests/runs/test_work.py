import os

import pytest

from mithridate.runs.work import cache_folder, work_folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mithridate"


def test_it_is_found_again_after_an_interruption_and_removed_in_the_end(cache):
    def interrupted():
        with work_folder("d", {"label": "y"}, 0) as first:
            (first / "half").write_text("done")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with work_folder("d", {"label": "y"}, 0) as again:
        assert (again / "half").read_text() == "done"
    assert cache_folder() == cache
    assert list(cache.iterdir()) == []


def test_other_questions_have_other_folders():
    with work_folder("d", {}, 0) as a, work_folder("d", {}, 1) as b, work_folder("e", {}, 0) as c:
        assert len({a, b, c}) == 3


def test_two_processes_do_not_share_one(cache):
    with work_folder("d", {}, 0) as first:
        with work_folder("d", {}, 0) as second:
            assert first.parent == cache
            assert second.parent != cache
        assert first.exists()
        assert not second.exists()


def test_without_a_place_it_is_temporary(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with work_folder("d", {}, 0) as folder:
        assert folder.is_dir()
    assert not folder.exists()


def test_what_was_left_long_ago_is_removed(cache):
    for name, age in (("old", 30), ("new", 1)):
        (cache / name).mkdir(parents=True)
        (cache / name / "lock").write_text("")
        os.utime(cache / name, (0, cache.stat().st_mtime - age * 86400))
    (cache / "not ours").mkdir()
    os.utime(cache / "not ours", (0, 0))
    with work_folder("d", {}, 0):
        assert {p.name for p in cache.iterdir()} >= {"new", "not ours"}
        assert not (cache / "old").exists()
