"""The first step alone: what holds while the trusted libraries are loaded."""

import json
import os
import socket
import subprocess
import sys

import pytest

from mithridate.models.jail import confine, kernel, landlock, seccomp
from mithridate.models.jail.confine import Protection, available, missing

pytestmark = pytest.mark.skipif(bool(available()), reason=f"no jail here: {', '.join(available())} missing")

CODE = """
import json, os, socket, sys
sys.path[:] = json.loads(sys.argv[1])
from mithridate.models.jail import confine
taken = {p.name for p in confine.enclose(os.getppid()) if p.taken}
def tried(what):
    try:
        what()
    except OSError as error:
        return type(error).__name__
    return "done"
found = {"taken": sorted(taken), "status": open("/proc/self/status").read()}
if {"Landlock", "own namespaces"} <= taken:  # else these would be done
    found |= {
        "read": tried(lambda: open(sys.argv[2]).read()),
        "write": tried(lambda: open(sys.argv[2], "a")),
        "make": tried(lambda: os.mkdir(sys.argv[2] + ".d")),
        "remove": tried(lambda: os.remove(sys.argv[2])),
        "run": tried(lambda: os.execv("/bin/true", ["true"])),
        "connect": tried(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])), 2)),
    }
print(json.dumps(found))
"""


def test_no_writing_no_running_no_network_no_privileges(tmp_path):
    file = tmp_path / "canary"
    file.write_text("as it was")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = [sys.executable, "-c", CODE, json.dumps(sys.path), str(file), port]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    status = dict(line.split(":\t", 1) for line in found["status"].splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    if "read" not in found:
        pytest.skip(f"only {found['taken']} here")
    assert found["read"] == "done"  # libraries must load
    assert {found[name] for name in ("write", "make", "remove", "run")} == {"PermissionError"}
    assert found["connect"] != "done"
    assert file.read_text() == "as it was"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["canary"]


def test_another_system_is_named(monkeypatch):
    monkeypatch.setattr(kernel, "architecture", lambda: None)
    assert available() == ["Linux on x86-64 or 64-bit ARM"]


def test_a_kernel_without_filters_is_named(monkeypatch):
    monkeypatch.setattr(seccomp, "offered", lambda: False)
    assert "seccomp" in available()[0]


def test_a_wall_that_does_not_take_is_reported_and_the_rest_goes_on(monkeypatch):
    def refuse(*arguments):
        raise OSError("not here")

    for module, name in ((kernel, "own_namespaces"), (kernel, "drop_capabilities"), (kernel, "prctl")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(kernel, "die_with", lambda parent: None)
    monkeypatch.setattr(landlock, "forbid_writing", lambda: "ABI 1")
    got = {p.name: p for p in confine.enclose(os.getppid())}
    assert [p.taken for p in got.values()] == [False, False, False, True, True]
    assert got["no new privileges"].detail == "not here"
    assert missing(list(got.values())) == ["no new privileges", "system call filter"]
    assert missing([Protection(name=name, taken=True) for name in confine.REQUIRED]) == []
