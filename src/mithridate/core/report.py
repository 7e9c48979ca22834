"""A `Report`: what was examined, by what, with which results. `docs/report-format.md` defines its JSON form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mithridate.core.errors import ReportError
from mithridate.core.results import Action, Clear, Exhibit, Finding, NotApplicable, Result, Severity, Skip
from mithridate.core.verdict import Verdict, exit_code

__all__ = ["SCHEMA", "Report", "Subject"]

SCHEMA = 1
_KINDS: dict[str, type[Result]] = {
    "finding": Finding,
    "clear": Clear,
    "skip": Skip,
    "not_applicable": NotApplicable,
}
_NAMES = {cls: name for name, cls in _KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was examined.

    Attributes:
        uri: where it is, for people.
        digest: hex digest of its content.
        modality: image, text or table.
        count: samples that were read.
        classes: samples per label; empty without labels.
        options: how it was read (columns, keys), so that it can be opened again.
    """

    uri: str
    digest: str
    modality: str
    count: int
    classes: Mapping[str, int]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of a verb.

    Attributes:
        verdict: one word.
        subject: what was examined.
        seed: what all randomness came from.
        cards: {check id: {"title": ..., "arguments": {...}, ...}} of every check that was asked.
        results: graded, worst first.
        actions: what to do about it.
        timings: seconds per stage; the only part that differs between equal runs.
        notes: what was left out of sight on the way, in words.
        baseline: digest of what an earlier report was about, with which this one was compared; "" without.
        schema: version of the JSON form.
    """

    verdict: Verdict
    subject: Subject
    seed: int
    cards: Mapping[str, Mapping[str, Any]]
    results: tuple[Result, ...]
    actions: tuple[Action, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    baseline: str = ""
    schema: int = SCHEMA
    renderer: Callable[[Report], str] | None = field(default=None, repr=False, compare=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, worst first."""
        return tuple(r for r in self.results if isinstance(r, Finding))

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings above INFO, worst first."""
        return tuple(f for f in self.findings if f.severity > Severity.INFO)

    @property
    def news(self) -> tuple[Finding, ...]:
        """The alarms that no earlier report said already, worst first; all of them without a baseline."""
        return tuple(f for f in self.alarms if not f.known)

    @property
    def exit_code(self) -> int:
        """What the command line returns for this report."""
        return exit_code(self.verdict)

    def _repr_html_(self) -> str | None:
        return self.renderer(self) if self.renderer else None

    def to_json(self) -> str:
        """The JSON form; `from_json` is its inverse."""
        return json.dumps(self._plain(), ensure_ascii=False, indent=1, allow_nan=False)

    def _plain(self) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "schema": self.schema,
            "verdict": str(self.verdict),
            "subject": asdict(self.subject),
            "seed": self.seed,
            "cards": {k: dict(v) for k, v in self.cards.items()},
            "results": [_plain_result(r) for r in self.results],
            "actions": [asdict(a) for a in self.actions],
            "timings": dict(self.timings),
            "notes": list(self.notes),
        }
        return plain | ({"baseline": self.baseline} if self.baseline else {})

    @classmethod
    def from_json(cls, text: str, where: str = "report") -> Report:
        """Read the JSON form.

        Args:
            text: of a file.
            where: the file, for errors.

        Raises:
            ReportError: not a report, or of a schema this version does not know.
        """
        try:
            plain = json.loads(text)
            if plain["schema"] != SCHEMA:
                raise ReportError(
                    f"schema {SCHEMA}",
                    f"schema {plain['schema']}",
                    where,
                    "Use the version that wrote it.",
                )
            return cls(
                verdict=Verdict(plain["verdict"]),
                subject=Subject(**plain["subject"]),
                seed=plain["seed"],
                cards=plain["cards"],
                results=tuple(_read_result(r) for r in plain["results"]),
                actions=tuple(
                    Action(**{**a, "targets": tuple(a["targets"]), "because": tuple(a["because"])})
                    for a in plain["actions"]
                ),
                timings=plain["timings"],
                notes=tuple(plain.get("notes", ())),
                baseline=str(plain.get("baseline", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ReportError(
                "a report written by this package", repr(error)[:200], where, "Run the audit again."
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read `report.json` (or a folder that holds it).

        Raises:
            ReportError: missing or unreadable.
        """
        path = Path(path)
        path = path / "report.json" if path.is_dir() else path
        try:
            if path.exists() and not path.is_file():
                raise OSError("no regular file")  # a pipe would never end
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReportError(
                "a readable report.json",
                str(error),
                str(path),
                "Give the file or folder that `audit --out` wrote.",
            ) from error
        return cls.from_json(text, str(path))


def _plain_result(result: Result) -> dict[str, Any]:
    plain = asdict(result)
    if isinstance(result, Finding):
        plain["severity"] = result.severity.name
    return {"kind": _NAMES[type(result)], **plain}


def _read_result(plain: dict[str, Any]) -> Result:
    plain = dict(plain)
    kind = _KINDS[plain.pop("kind")]
    if kind is Finding:
        plain["severity"] = Severity[plain["severity"]]
        plain["exhibits"] = tuple(Exhibit(**e) for e in plain["exhibits"])
        plain["targets"], plain["scores"] = tuple(plain["targets"]), tuple(plain["scores"])
        if not isinstance(plain["details"], dict):
            raise TypeError(f"details: expected an object, got {type(plain['details']).__name__}")
    if kind is Skip:
        plain["items"] = tuple(plain["items"])
    return kind(**plain)
