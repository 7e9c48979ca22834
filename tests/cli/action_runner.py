"""Runs action.yml much as a runner of GitHub does: expressions, steps in order, outputs, conditions, bash.

Steps that use other actions are written down and not run; what `actions/setup-python` would give is given.

    python -m tests.cli.action_runner path=data.npz arguments=--label=kind   # installs for real, needs the network
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


@dataclass
class Done:
    """What a run left: exit code, what was printed, what each step of another action was given."""

    code: int = 0
    printed: dict[str, str] = field(default_factory=dict)
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""


def action() -> dict[str, Any]:
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def run_action(inputs: dict[str, str], cwd: Path, temp: Path, python: str = sys.executable) -> Done:
    """Run all steps.

    Args:
        inputs: what a workflow gives.
        cwd: the checkout.
        temp: for the runner.
        python: what setup-python gives.
    """
    told = action()
    unknown = set(inputs) - set(told["inputs"])
    assert not unknown, unknown
    given = {name: inputs.get(name, str(one.get("default", ""))) for name, one in told["inputs"].items()}
    names: dict[str, Any] = {f"inputs.{name}": value for name, value in given.items()}
    done = Done()
    for step in told["runs"]["steps"]:
        if done.code or ("if" in step and not _true(step["if"], names)):
            continue
        if "uses" in step:
            done.used[step["uses"]] = {k: _filled(str(v), names) for k, v in step.get("with", {}).items()}
            if "setup-python" in step["uses"]:
                names[f"steps.{step['id']}.outputs.python-path"] = python
            continue
        env = {name: _filled(str(value), names) for name, value in step.get("env", {}).items()}
        _run(step, env, cwd, temp, names, done)
    done.outputs = {name: _filled(one["value"], names) for name, one in told["outputs"].items()}
    return done


def _run(
    step: dict[str, Any], env: dict[str, str], cwd: Path, temp: Path, names: dict[str, Any], done: Done
) -> None:
    files = {name: temp / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("", encoding="utf-8")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GITHUB_", "INPUT_", "PYTHON"))
    }
    env = {**kept, **env, **{n: str(f) for n, f in files.items()}}
    env |= {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_WORKSPACE": str(cwd)}
    script = temp / "step.sh"
    script.write_text(step["run"], encoding="utf-8")
    words = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
    ended = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=1500, check=False)
    done.printed[step["name"]] = ended.stdout + ended.stderr
    done.code = ended.returncode
    done.summary += files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    for line in files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        names[f"steps.{step.get('id')}.outputs.{name}"] = value


def _filled(text: str, names: dict[str, Any]) -> str:
    return _EXPRESSION.sub(lambda match: str(names.get(match[1].strip(), "")), text)


def _true(condition: str, names: dict[str, Any]) -> bool:
    """`a == 'x' && b != ''`."""
    found = _EXPRESSION.fullmatch(condition.strip())
    assert found, condition
    return all(_compared(part.strip(), names) for part in found[1].split("&&"))


def _compared(text: str, names: dict[str, Any]) -> bool:
    found = re.fullmatch(r"([\w.-]+) (==|!=) '([^']*)'", text)
    assert found, text
    return (str(names.get(found[1], "")) == found[3]) == (found[2] == "==")


def main() -> int:
    """Run the action of this checkout on the current folder, with a real environment."""
    inputs = dict(word.split("=", 1) for word in sys.argv[1:])
    with tempfile.TemporaryDirectory() as temp:
        done = run_action(inputs, Path.cwd(), Path(temp))
        for name, printed in done.printed.items():
            print(f"--- {name}\n{printed}", end="")  # noqa: T201 - a script
        print("---", done.used, done.outputs, done.summary, sep="\n")  # noqa: T201 - a script
    return done.code


if __name__ == "__main__":
    sys.exit(main())
