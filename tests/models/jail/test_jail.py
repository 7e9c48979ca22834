import errno
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mithridate.core.errors import UsageError
from mithridate.models.jail import jail as jail_module
from mithridate.models.jail.confine import available
from mithridate.models.jail.errors import JailError, JailUnavailable
from mithridate.models.jail.jail import Jail
from mithridate.models.jail.limits import Limits

pytestmark = pytest.mark.skipif(bool(available()), reason=f"no jail here: {', '.join(available())} missing")

WORKER = "tests.models.jail.bad_worker"
AT_FDCWD = -100


@pytest.fixture(scope="module")
def shared():
    with Jail(WORKER) as jail:
        yield jail


def _do(jail, method, *arguments):
    return jail.call(method, {"with": arguments})[0]["value"]


def _gone(pid):
    """Whether a process has ended (it may still wait to be collected by its new parent)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def _wait_until_gone(pid):
    end = time.monotonic() + 10
    while not _gone(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return _gone(pid)


def test_arrays_and_json_go_there_and_back(shared):
    sent = {
        "a": np.arange(6, dtype="<f4").reshape(2, 3),
        "b": np.array(True),
        "c": np.zeros((0, 4), np.int64),
    }
    header, got = shared.call("echo", {"k": [1, {"x": None}]}, sent)
    assert header == {"k": [1, {"x": None}]}
    assert list(got) == list(sent)
    for name in sent:
        np.testing.assert_array_equal(got[name], sent[name])
        assert got[name].dtype == sent[name].dtype


def test_more_than_a_pipe_holds_goes_through(shared):
    big = np.random.default_rng(0).random((2000, 3, 32, 32), dtype=np.float32)
    assert np.array_equal(shared.call("echo", {}, {"x": big})[1]["x"], big)


def test_every_wall_that_is_required_stands(shared):
    taken = {p["name"] for p in shared.protections if p["taken"]}
    assert {
        "system call filter",
        "no new privileges",
        "limits",
        "audit hook",
        "dies with its parent",
    } <= taken


@pytest.mark.parametrize(
    ("method", "event"),
    [
        ("socket", "socket.__new__"),
        ("system", "os.system"),
        ("spawn", "subprocess.Popen"),
        ("execute", "os.exec"),
        ("fork", "os.fork"),
        ("evaluate", "compile"),
        ("load_library", "ctypes.dlopen"),
        ("load_module", "import"),
    ],
)
def test_what_python_code_tries_is_refused_and_reported(shared, method, event):
    before = len(shared.events)
    with pytest.raises(JailError, match="PermissionError") as caught:
        _do(shared, method)
    assert caught.value.limit is None
    assert event in {e.name for e in shared.events[before:]}
    assert event in str(caught.value)


def test_no_file_is_written_read_or_listed(shared, tmp_path):
    canary, secret = tmp_path / "canary", tmp_path / "secret"
    secret.write_text("key")
    for method, path in (("write", canary), ("read", secret), ("list", tmp_path), ("read", "/etc/passwd")):
        with pytest.raises(JailError, match="PermissionError"):
            _do(shared, method, str(path))
    assert str(canary) in next(e.detail for e in shared.events if str(canary) in e.detail)
    assert not canary.exists()


def test_below_python_too(shared, tmp_path):
    canary, secret = tmp_path / "canary", tmp_path / "secret"
    secret.write_text("key")
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR, os.O_TMPFILE | os.O_RDWR):
        for path in (canary, secret, tmp_path):
            assert _do(shared, "native", "openat", AT_FDCWD, str(path), flags, 0o600) == -errno.EPERM
    assert _do(shared, "native", "unlinkat", AT_FDCWD, str(secret), 0) == -errno.EPERM
    assert _do(shared, "native", "renameat2", AT_FDCWD, str(secret), AT_FDCWD, str(canary), 0) == -errno.EPERM
    assert _do(shared, "native", "mkdirat", AT_FDCWD, str(canary), 0o700) == -errno.EPERM
    assert _do(shared, "native", "memfd_create", "x", 0) == -errno.EPERM
    assert not canary.exists()
    assert secret.read_text() == "key"


def test_no_socket_below_python_and_in_no_thread(shared):
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 16):  # 16: netlink
        assert _do(shared, "native", "socket", int(family), 1, 0) == -errno.EPERM
    assert _do(shared, "in_old_thread") == -errno.EPERM  # one from before the jail was shut
    assert _do(shared, "in_new_thread") == -errno.EPERM


def test_no_process_and_no_signal_to_others(shared):
    assert _do(shared, "native", "clone", signal.SIGCHLD, 0, 0, 0, 0) == -errno.EPERM
    assert _do(shared, "native", "kill", os.getpid(), 0) == -errno.EPERM
    assert _do(shared, "native", "prlimit64", os.getpid(), 0, 0, 0) == -errno.EPERM


@pytest.mark.parametrize("name", ["execve", "ptrace", "io_uring_setup", "unshare"])
def test_the_worst_calls_kill_it(name):
    with Jail(WORKER) as jail:
        arguments = ("/bin/true", 0, 0) if name == "execve" else (0, 0, 0)
        with pytest.raises(JailError, match="forbidden system call") as caught:
            _do(jail, "native", name, *arguments)
        assert caught.value.limit == "syscall"
        with pytest.raises(JailError, match="forbidden system call"):  # it is over
            _do(jail, "pid")


def test_the_environment_stays_outside(shared):
    assert set(_do(shared, "environment")) <= {
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "ORT_DISABLE_TELEMETRY",
    }


def test_time_on_the_clock():
    with Jail(WORKER, limits=Limits(seconds=0.3)) as jail:
        pid = _do(jail, "pid")
        begun = time.monotonic()
        with pytest.raises(JailError, match=r"within 0\.3 s") as caught:
            _do(jail, "sleep", 60)
        assert caught.value.limit == "seconds"
        assert time.monotonic() - begun < 5
        assert _gone(pid)


def test_processor_time_is_for_each_call():
    with Jail(WORKER, limits=Limits(cpu_seconds=1)) as jail:
        with pytest.raises(JailError, match="1 s of processor time") as caught:
            _do(jail, "burn")
        assert caught.value.limit == "cpu"


def test_threads_are_bounded():
    with Jail(WORKER, limits=Limits(seconds=20)) as jail, pytest.raises(JailError) as caught:
        _do(jail, "threads", 5000)
    assert caught.value.limit == "threads" or "new thread" in str(
        caught.value
    )  # root is not counted by the kernel


def test_memory_by_the_kernel():
    with Jail(WORKER, limits=Limits(memory=64 << 20)) as jail:
        with pytest.raises(JailError, match="64 MiB of memory") as caught:
            _do(jail, "grow", 1 << 20)
        assert caught.value.limit == "memory"
        assert _do(jail, "pid") > 0  # a refused allocation is survived


def test_memory_by_the_watch_where_the_kernel_does_not_count():
    with Jail(WORKER) as jail:
        jail._process._memory = jail._process._use()[0] + (32 << 20)
        with pytest.raises(JailError, match="MiB of memory") as caught:
            _do(jail, "grow", 1 << 16)
        assert caught.value.limit == "memory"


def _framed(head):
    return struct.pack("<4sI", b"MJ01", len(head)) + head


@pytest.mark.parametrize(
    "data",
    [
        b"garbage garbage",
        b"\x80\x04K\x01.....",  # a pickle
        _framed(b"{}"),
        _framed(b'{"header": {}, "arrays": [["x", "|O", [1]]]}'),
        _framed(b'{"header": {"neither": "done nor failed"}, "arrays": []}'),
    ],
    ids=range(5),
)
def test_garbage_for_an_answer(data):
    with Jail(WORKER, limits=Limits(seconds=20)) as jail:
        with pytest.raises(JailError, match="bytes that are none") as caught:
            _do(jail, "answer_with", data.hex())
        assert caught.value.limit == "protocol"


def test_an_answer_larger_than_allowed():
    head = b'{"header": {}, "arrays": [["x", "|u1", [1001]]]}'
    with Jail(WORKER, limits=Limits(answer=1000)) as jail:
        assert jail.call("echo", {}, {"x": np.zeros(1000, np.uint8)})[1]["x"].size == 1000
        with pytest.raises(JailError) as caught:
            _do(jail, "answer_with", _framed(head).hex())
        assert caught.value.limit == "answer"


def test_death_within_an_answer():
    with Jail(WORKER) as jail, pytest.raises(JailError, match="exit code 7") as caught:
        _do(jail, "end_within_answer")
    assert caught.value.limit == "crash"


def test_a_crash_names_its_signal():
    with Jail(WORKER) as jail:
        pid = _do(jail, "pid")
        with pytest.raises(JailError, match="SIGSEGV") as caught:
            _do(jail, "native", "kill", pid, int(signal.SIGSEGV))
        assert caught.value.limit == "crash"


def test_an_unknown_method_and_an_array_of_objects_leave_it_alive(shared):
    with pytest.raises(JailError, match="KeyError"):
        shared.call("nonsense")
    with pytest.raises(UsageError, match="object"):
        shared.call("echo", {}, {"x": np.array([None])})
    assert _do(shared, "pid") > 0


def test_noise_does_not_block_and_is_not_trusted():
    with Jail(WORKER) as jail:
        assert _do(jail, "flood") == "done"
        assert len(jail._process.stderr) <= 4096
        _do(
            jail,
            "forge_event",
            "\x1b[2Jno json\n" + json.dumps(["\x1b]0;x\x07name", "d\n"]) + "\n" + "[" * 3000 + "\n",
        )
        events = jail.events
        assert len(events) == 3
        assert all(text.isprintable() for event in events for text in (event.name, event.detail))
        _do(jail, "forge_event", '["a", "b"]\n' * 300)
        assert len(jail.events) == 200
    assert len(jail.events) == 200  # kept after the end


def test_ctrl_c_in_the_parent_kills_the_child():
    def interrupt(number, frame):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Jail(WORKER) as jail:
            pid = _do(jail, "pid")
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(KeyboardInterrupt):
                _do(jail, "sleep", 60)
            assert _gone(pid)
            with pytest.raises(JailError, match="interrupted"):  # not the answer to the question before
                _do(jail, "pid")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@pytest.mark.parametrize("busy", [False, True])
def test_the_child_dies_with_its_parent(busy):
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        f"from mithridate.models.jail.jail import Jail\nj = Jail({WORKER!r}).__enter__()\n"
        "print(j.call('pid')[0]['value'], flush=True)\n"
        + ("j.call('burn')" if busy else "import time; time.sleep(60)")
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.5)  # into the middle of the call
        assert not _gone(pid)
        parent.kill()
    assert _wait_until_gone(pid)


def test_nothing_is_left_behind():
    before = sorted(Path("/proc/self/fd").iterdir())
    with Jail(WORKER) as jail:
        pid = _do(jail, "pid")
    jail.close()
    assert _gone(pid)
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    with pytest.raises(JailError, match="closed"):
        jail.call("pid")


def test_a_worker_without_its_library_says_so():
    with pytest.raises(UsageError, match=r"no_such_library.*Get it") as caught:
        Jail("tests.no_such_library", remedy="Get it.").__enter__()
    assert not isinstance(caught.value, JailError)


def test_without_a_jail_nothing_is_started(monkeypatch):
    monkeypatch.setattr(jail_module, "available", lambda: ["walls"])
    monkeypatch.setattr(jail_module, "Process", None)
    with pytest.raises(JailUnavailable, match="walls"):
        Jail(WORKER).__enter__()
