"""SARIF and JUnit as others define them."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parent / "schemas"
#: RFC 3986: the characters that a URI reference may hold, and whole escapes only.
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:" + _URI.pattern)


def sarif_faults(log: Any) -> list[str]:
    """What the schema of OASIS says against a log; URIs are held to RFC 3986."""
    return [f"{'/'.join(map(str, e.path))}: {e.message[:200]}" for e in _sarif().iter_errors(log)]


def junit_faults(content: bytes) -> list[str]:
    """What the schema of Jenkins' xunit plug-in says against a file."""
    return [f"{e.path}: {e.reason}" for e in _junit().iter_errors(content.decode("utf-8"))]


@cache
def _sarif() -> Any:
    from jsonschema import Draft7Validator, FormatChecker

    formats = FormatChecker(())
    formats.checks("uri-reference")(lambda value: not isinstance(value, str) or bool(_URI.fullmatch(value)))
    formats.checks("uri")(lambda value: not isinstance(value, str) or bool(_ABSOLUTE.fullmatch(value)))
    schema = json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
    return Draft7Validator(schema, format_checker=formats)


@cache
def _junit() -> Any:
    from xmlschema import XMLSchema

    return XMLSchema(SCHEMAS / "junit-10.xsd")
