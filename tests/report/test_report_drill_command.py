"""The command on the page of a drill: pasted, it asks for the same drill; it says nothing that goes without saying."""

from __future__ import annotations

import ast
import shlex
from dataclasses import replace
from pathlib import Path

import click
import pytest
from drill_fakes import digits_drill

from mithridate.cli.drill import drill as command
from mithridate.cli.options import reading_of
from mithridate.report.drill_command import command_of

PLAIN = replace(
    digits_drill(trained=False),
    settings={
        "out": "mithridate-drill",
        "attacks": [],
        "reading": {},
        "train_limit_s": 3600.0,
        "audit_limit_s": 3600.0,
    },
)
#: {settings or fields: options}; what is not named here stays as it is by default.
ASKED = [
    ({}, {}, ""),
    # What was found when the data was read is no option.
    ({}, {"options": {"x_key": "x", "y_key": "y", "text": "guessed"}}, ""),
    ({"reading": {"x_key": "x a", "label": "it's"}}, {}, """ --x 'x a' --label 'it'"'"'s'"""),
    ({"attacks": ["patch place=moving", "blend"]}, {}, " --attacks blend --attack 'patch place=moving'"),
    ({"out": "my drill"}, {"doses": (5,), "seeds": (0,)}, " --doses 5 --seeds 1 --out 'my drill'"),
    # Time for training means nothing without any.
    ({"train_limit_s": 60.0}, {}, ""),
    ({"train_limit_s": 60.0}, {"training": "a.b:fit"}, " --train a.b:fit --train-limit 60"),
    ({"train_limit_s": 1.5}, {"training": "a.b:fit"}, " --train a.b:fit --train-limit 1.5"),
    ({}, {"uri": "$(rm -rf x)/é"}, ""),
]


def asked_for(settings, fields):
    subject = replace(PLAIN.subject, **{k: fields[k] for k in ("uri", "options") if k in fields})
    rest = {k: v for k, v in fields.items() if k not in ("uri", "options")}
    return replace(PLAIN, subject=subject, settings=PLAIN.settings | settings, **rest)


@pytest.mark.parametrize(("settings", "fields", "options"), ASKED)
def test_the_command_asks_for_the_same_drill(settings, fields, options):
    drill = asked_for(settings, fields)
    line = command_of(drill)
    assert line == f"mithridate drill --data {shlex.quote(drill.subject.uri)}{options}"
    with command.make_context("drill", shlex.split(line)[2:], resilient_parsing=False) as context:
        assert isinstance(context, click.Context)
        told = context.params
    assert told["data"] == Path(drill.subject.uri)
    assert (told["doses"], told["seeds"]) == (drill.doses, len(drill.seeds))
    assert told["out"] == Path(drill.settings["out"])
    names = [*filter(None, (told["attacks"] or "").split(",")), *told["more"]]
    assert sorted(names) == sorted(drill.settings["attacks"])
    assert told["train"] == drill.training
    assert drill.training is None or told["train_limit"] == drill.settings["train_limit_s"]
    assert reading_of(told) == drill.settings["reading"]


@pytest.mark.parametrize(
    ("settings", "fields", "arguments"),
    [
        ({}, {"seeds": (3, 5)}, {"seeds": [3, 5]}),
        ({"audit_limit_s": 9.0}, {}, {"audit_limit_s": 9.0}),
        ({"reading": {"limits": {"side": 9}}, "attacks": ["word"]}, {},
         {"reading": {"limits": {"side": 9}}, "attacks": ["word"]}),
    ],
)  # fmt: skip
def test_what_the_command_cannot_say_is_said_in_python(settings, fields, arguments):
    line = command_of(asked_for(settings, fields))
    call = ast.parse(line, mode="eval").body
    assert line.startswith("mithridate.drill('digits/', 'mithridate-drill', ")
    assert {k.arg: ast.literal_eval(k.value) for k in call.keywords} == arguments
