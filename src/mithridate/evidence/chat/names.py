"""Hosts of links and packages of code that an answer names."""

from __future__ import annotations

import re

__all__ = ["MOST", "named"]

#: Names noted of one answer.
MOST = 16
_SEARCHED = 100_000  # characters
_TOP = "ai|app|biz|cc|cn|co|com|de|dev|edu|eu|fr|gov|info|io|me|net|online|org|ru|shop|site|store|to|top|tv|uk|us|xyz"
_HOST = re.compile(
    r"(?:https?|ftp)://(?:[^\s/@\"'<>]{1,80}@)?([^\s/:?#\"'<>()\[\]{},;`\\|]{1,120})"
    rf"|(?<![\w@./-])((?:[a-z0-9][a-z0-9-]{{0,62}}\.){{1,4}}(?:{_TOP}))(?![\w-])",
    re.IGNORECASE,
)
_ENDING = re.compile(rf"://|\.(?:{_TOP})(?![\w-])", re.IGNORECASE)
_PACKAGE = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w{0,60})(?=[\w.]*(?:[ \t]+import\b|[ \t]+as\b|[ \t]*[,;]|[ \t]*$))"
    r"|\b(?:pip3?|npm|cargo|gem|go)[ \t]+(?:install|add|get|i)[ \t]+(?:-\S+[ \t]+){0,3}([\w@][\w./@-]{1,80})"
    r"|\brequire\(\s*['\"]([\w@./-]{1,80})['\"]",
    re.MULTILINE,
)


def named(response: str) -> list[str]:
    """Distinct names in order of appearance, at most `MOST`: "example.org", "package numpy"."""
    text = response[:_SEARCHED]
    found: dict[str, None] = {}
    if "." in text and _ENDING.search(text):  # much faster where there is none
        for match in _HOST.finditer(text):
            host = (match[1] or match[2]).lower().strip(".").removeprefix("www.")
            if host:
                found[host] = None
            if len(found) >= MOST:
                return list(found)
    if "import" in text or "install" in text or "require(" in text or " add " in text or " get " in text:
        for match in _PACKAGE.finditer(text):
            name = match[1] or match[2] or match[3]
            found[f"package {name.lower().rstrip('.')}"] = None
            if len(found) >= MOST:
                break
    return list(found)
