"""action.yml: sound, pinned, without a way for inputs or data into a script; and it runs."""

from __future__ import annotations

import json
import pickle
import re
import shlex
import stat
import sys
from pathlib import Path

import pytest
from cli_samples import mails
from tests.cli.action_runner import ROOT, action, run_action

STEPS = action()["runs"]["steps"]
SCRIPTS = [step for step in STEPS if "run" in step]


class Calls:
    def __reduce__(self):
        return (eval, ("1 + 1",))


@pytest.fixture
def python(tmp_path):
    """A Python that makes environments without installing; what pip is told is in pip.txt."""
    real = f"PYTHONPATH={shlex.quote(str(ROOT / 'src'))} exec {shlex.quote(sys.executable)}"
    note = shlex.quote(str(tmp_path / "pip.txt"))
    pip = f'if [[ "$1 $2" == "-m pip" ]]; then printf "%s\\n" "$@" > {note}; exit 0; fi'
    inner = f'#!/bin/bash\n{pip}\n{real} "$@"\n'
    tool = f'#!/bin/bash\n{real} -c "from mithridate.cli.main import main; main()" "$@"\n'
    script = f"""#!/bin/bash
set -euo pipefail
[[ "$1 $2" == "-m venv" ]]
mkdir -p "$3/bin"
cat > "$3/bin/python" <<'INNER'
{inner}INNER
cat > "$3/bin/mithridate" <<'TOOL'
{tool}TOOL
chmod +x "$3/bin/python" "$3/bin/mithridate"
"""
    file = tmp_path / "python"
    file.write_text(script)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


@pytest.fixture
def places(tmp_path):
    """(a checkout, a folder for the runner)."""
    checkout, temp = tmp_path / "check out", tmp_path / "temp"
    checkout.mkdir()
    temp.mkdir()
    return checkout, temp


def test_what_it_is_made_of():
    told = action()
    assert told["runs"]["using"] == "composite"
    assert told["name"]
    assert told["description"]
    assert all(set(one) <= {"description", "required", "default"} for one in told["inputs"].values())
    assert all(one.get("required") or "default" in one for one in told["inputs"].values())
    asked = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text(encoding="utf-8")))
    assert asked == set(told["inputs"])
    known = {step["id"] for step in STEPS if "id" in step}
    assert set(re.findall(r"steps\.([\w-]+)\.", json.dumps(told))) <= known


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["name"])
def test_every_step(step):
    assert ("run" in step) != ("uses" in step)
    if "uses" in step:
        assert re.fullmatch(r"[\w-]+/[\w./-]+@v\d+\.\d+\.\d+", step["uses"]), "a full version"
        return
    assert step["shell"] == "bash"
    assert "${{" not in step["run"], "inputs reach a script as environment only"
    assert step["run"].startswith("set -euo pipefail\n")


def test_a_flagged_data_set(python, places, tmp_path):
    checkout, temp = places
    mails(checkout / "d.csv")
    inputs = {"path": "d.csv", "arguments": "--text=body\n\n--label=kind\r\n--id=key\n", "name": "mails"}
    done = run_action(inputs, checkout, temp, python)
    assert done.code == 1
    assert done.outputs["exit-code"] == "1"
    assert "::error::" in done.printed["Verdict"]
    assert done.summary == "**Mithridate audit**: flagged\n"
    pip = (tmp_path / "pip.txt").read_text().splitlines()
    assert pip[-1] == f"{ROOT}[artifacts,onnx]"
    assert str(ROOT / "constraints.txt") in pip
    sarif = next(given for name, given in done.used.items() if "upload-sarif" in name)
    kept = next(given for name, given in done.used.items() if "upload-artifact" in name)
    assert sarif["category"] == kept["name"] == "mails"
    found = json.loads(Path(sarif["sarif_file"]).read_text())["runs"][0]["results"]
    assert found[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "d.csv"
    report = temp.joinpath(kept["path"])
    assert {p.name for p in report.iterdir()} >= {"report.html", "report.json", "junit.xml", "findings.sarif"}


def test_a_baseline(python, places, tmp_path):
    checkout, temp = places
    (checkout / "bad.pkl").write_bytes(pickle.dumps(Calls()))
    inputs = {"path": "bad.pkl", "verb": "scan", "allow-incomplete": "true", "extras": ""}
    done = run_action(inputs, checkout, temp, python)
    assert done.code == 1
    assert (tmp_path / "pip.txt").read_text().splitlines()[-1] == str(ROOT)
    Path(done.outputs["report"]).rename(checkout / "approved")
    done = run_action({**inputs, "baseline": "approved"}, checkout, temp, python)
    assert done.code == 0
    assert done.summary.endswith("something could not be examined\n")


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        ({}, 3, "::error::"),
        ({"allow-incomplete": "true"}, 0, "::warning::"),
        ({"path": "bad.pkl"}, 1, "::error::"),
        ({"path": "bad.pkl", "fail-on": "never", "allow-incomplete": "true"}, 0, "::warning::"),
        ({"path": "gone.pkl"}, 2, "did not run to its end"),
        ({"fail-on": "whim"}, 2, "did not run to its end"),
        ({"verb": "drill"}, 2, None),
    ],
)
def test_models_and_mistakes(python, places, more, code, told):
    checkout, temp = places
    (checkout / "good.pkl").write_bytes(pickle.dumps([1, 2]))
    (checkout / "bad.pkl").write_bytes(pickle.dumps(Calls()))
    switched_off = {"upload-sarif": "false", "upload-report": "false"}
    done = run_action({"path": "good.pkl", "verb": "scan", **switched_off, **more}, checkout, temp, python)
    assert done.code == code
    assert told is None or told in done.printed["Verdict"]
    assert [name.split("@")[0] for name in done.used] == ["actions/setup-python"]


HOSTILE = "x\ntouch pwned\n$(touch pwned)`touch pwned`\"; touch pwned; \"'; touch pwned; '"
TAKEN = ["path", "verb", "arguments", "baseline", "fail-on", "extras", "allow-incomplete", "name"]


@pytest.mark.parametrize("name", TAKEN)
def test_no_input_is_run(python, places, name):
    checkout, temp = places
    run_action({"path": "gone.csv", name: HOSTILE}, checkout, temp, python)
    assert not [*checkout.rglob("pwned"), *temp.rglob("pwned")]


def test_what_is_printed_is_no_command(python, places):
    checkout, temp = places
    evil = "::set-output name=exit-code::0"
    (checkout / "d.csv").write_text(f'body,kind\n"{evil}",a\n')
    done = run_action({"path": f"gone\n{evil}\n", "verb": "audit"}, checkout, temp, python)
    lines = [line.strip() for line in done.printed["Examine"].splitlines()]
    commands = [line for line in lines if line.startswith("::")]
    (first, *_), token = commands, commands[0].removeprefix("::stop-commands::")
    assert first.startswith("::stop-commands::")
    assert len(token) == 32
    assert commands[-1] == f"::{token}::"
    assert done.code == 2
