"""Templates, paths and references to code in the JSON files that lie beside weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.checks.artifact_templates import judge_template
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.jsons import read_json, walk_json

__all__ = ["Template"]

_MOST_JSON, _MOST_TEMPLATE = 64 << 20, 1 << 20
_JINJA = re.compile(r"\{%|\{\{")
#: Keys whose values are data of the tokenizer, in their hundred thousands.
_DATA = frozenset({"vocab", "merges", "added_tokens", "added_tokens_decoder", "weight_map"})
_FILE_KEY = re.compile(r"(?:_file|_path|_dir|^file|^path|vocabulary|^vocab|^merges)$")
_SECRETS = re.compile(
    r"(?i)(?:^|/)\.(?:env|ssh|aws|netrc|git-credentials|gnupg|kube|docker|bash_history)(?:$|[/.])|(?:^|/)id_(?:rsa|ed25519)"
    r"|^/(?:etc|proc|sys|dev|root/\.)(?:/|$)|(?:^|/)credentials(?:$|[/.])|\.cache/huggingface/token"
)
#: A path, not a sentence.
_PATH = re.compile(r"[^\s\0]{1,500}")


@artifact_check(
    Card(
        id="template",
        title="a poisoned template, path or code reference beside the weights",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="a chat template arranges messages and does not depend on the words in them",
        catches=None,
        misses="instructions that the template always gives, in plain words; keys that no loader of today reads",
        effect="none",
        cites="Pillar Security, Poisoned GGUF templates (2025); CVE-2024-34359; Boucher et al. 2021 arXiv:2106.09898",
        remedy="Take the file of the original model; keep trust_remote_code off.",
        graded=True,
        reads_order=False,
    )
)
class Template(ArtifactCheck):
    """Looks at templates, file names and references to code in JSON and Jinja files."""

    kinds = frozenset({"json", "template"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what is wrong with the templates and settings.

        Raises:
            ItemError: no JSON, no Jinja, or too large.
        """
        if item.kind == "template":
            source = item.read(_MOST_TEMPLATE).decode("utf-8", "replace")
            yield from judge_template(self.found, item, source, "of this file")
            return
        value, twice = read_json(item.read(_MOST_JSON), item.name)
        for key in [k for k in dict.fromkeys(twice) if "template" in k or k == "auto_map"]:
            message = f"{key!r} occurs twice in one object; readers differ on which of the two they take"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="DUPLICATE_KEY", key=key)
        try:
            for path, key, part in walk_json(value, _DATA):
                yield from self._part(item, path, key, part)
        except ValueError as error:
            raise ItemError(item.name, str(error)) from error

    def _part(self, item: Item, path: str, key: str, part: Any) -> Iterator[Finding | Skip]:
        if isinstance(part, str) and "template" in path.lower() and _JINJA.search(part):
            try:
                yield from judge_template(self.found, item, part, path[:80])
            except ItemError as error:
                yield self.skipped(
                    item, error.reason, "Read this template, or use the one of the original model."
                )
        elif isinstance(part, str) and _FILE_KEY.search(key) and _PATH.fullmatch(part):
            yield from self._path(item, path, part)
        elif key == "auto_map" and isinstance(part, dict):
            yield from self._code(item, path, part)
        elif key == "trust_remote_code" and part is True:
            message = f"{path} asks the loader to run code from beside the weights without a question"
            yield self.found(item, Severity.INFO, message, rule="TRUST_REMOTE_CODE", key=path[:200])

    def _path(self, item: Item, path: str, part: str) -> Iterator[Finding]:
        if _SECRETS.search(part):
            message = f"{path} names {part[:80]!r}: a loader would read a private file as data of the model"
            yield self.found(item, Severity.LIKELY, message, rule="PRIVATE_FILE", key=path[:200])
        elif re.search(r"(?:^|[/\\])\.\.(?:[/\\]|$)", part):
            message = f"{path} names {part[:80]!r}, which leaves the folder of the model"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="PATH_ESCAPE", key=path[:200])

    def _code(self, item: Item, path: str, part: dict[str, Any]) -> Iterator[Finding | Skip]:
        names = [n for v in part.values() for n in (v if isinstance(v, list) else [v]) if isinstance(n, str)]
        if not names:
            return
        message = f"{path} names code that runs with trust_remote_code: {', '.join(names)[:120]}"
        yield self.found(item, Severity.INFO, message, rule="AUTO_MAP", key=path[:200])
        away = sorted({n.partition("--")[0] for n in names if "--" in n})
        if away:
            reason = f"code of another repository runs with trust_remote_code: {', '.join(away)[:200]}"
            yield self.skipped(
                item, reason, "Fetch that code at a fixed revision, read it, and keep it beside the weights."
            )
