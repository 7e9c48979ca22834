"""Python beside weights: it is not analysed, only named; what can only be an attack is called so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.python_text import aliases, outer_nodes, parse_python, spelled

__all__ = ["PythonCode"]

_MOST_SOURCE = 4 << 20
_RUNS = re.compile(
    r"(?:builtins\.)?(?:exec|eval|compile|__import__)|marshal\.loads?|types\.(?:FunctionType|CodeType)"
)
_DECODES = re.compile(
    r"base64\.\w+|binascii\.\w+|(?:zlib|bz2|lzma|gzip)\.decompress|codecs\.decode|bytes\.fromhex|marshal\.loads?"
    r"|(?:urllib\.request\.)?urlopen|requests\.\w+|httpx\.\w+"
)
_STARTS = re.compile(
    r"(?:os|posix|nt)\.(?:system|popen\d?|startfile|fork|exec\w*|spawn\w*|posix_spawnp?)|subprocess\.\w+|pty\.spawn"
    r"|socket\.(?:socket|create_connection)|urllib\.request\.\w+|requests\.\w+|httpx\.\w+|http\.client\.HTTPS?Connection"
    r"|(?:shutil\.rmtree)|(?:os|posix)\.(?:remove|unlink|rmdir|chmod)|ctypes\.(?:CDLL|cdll\.LoadLibrary)|runpy\.run_\w+"
    r"|(?:ftplib|smtplib|telnetlib|paramiko)\.\w+"
)
_SHELL = re.compile(r"(?:os|posix)\.(?:system|popen)|subprocess\.\w+|pty\.spawn")
_COMMAND = re.compile(
    r"(?i)\bcurl\b|\bwget\b|/dev/tcp/|\b(?:ba|z)?sh\s+-[ic]\b|powershell|base64\s+-d|\bnc\s+-|\.ssh/|\brm\s+-rf\b"
)


@artifact_check(
    Card(
        id="python-code",
        title="code beside the weights",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="code that only describes a network starts no process and fetches nothing when it is imported",
        catches=None,
        misses="everything but the obvious: code can do anything in ways that no look at its text shows",
        effect="none",
        cites="Hugging Face, transformers, Custom models (2022); MITRE ATLAS AML.T0011",
        remedy="Read it, or use a model that needs none; keep trust_remote_code off.",
        graded=True,
        reads_order=False,
    )
)
class PythonCode(ArtifactCheck):
    """Says what the code imports, and whether it does on import what only an attack needs."""

    kinds = frozenset({"python"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield findings about the obvious, and always one skip: code is not analysed.

        Raises:
            ItemError: no Python that can be read.
        """
        around = item.inside
        if (
            around is not None
            and around.kind == "torchscript"
            and "/code/" in item.name[len(around.name) :].replace("!", "/")
        ):
            return  # another language that looks like Python, and has its own check
        tree = parse_python(item.read(_MOST_SOURCE), item.name)
        names = aliases(tree)
        yield from self._obvious(item, tree, names)
        imports = ", ".join(sorted({name.partition(".")[0] for name in names.values()})) or "nothing"
        reason = f"code that runs with trust_remote_code is not analysed; it imports {imports[:200]}"
        yield self.skipped(item, reason, "Read it, or use a model that needs no code of its own.")

    def _obvious(self, item: Item, tree: ast.Module, names: dict[str, str]) -> Iterator[Finding]:
        packed = _packed_names(tree, names)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = spelled(node, names)
            if _RUNS.fullmatch(name) and any(_is_packed(arg, names, packed) for arg in node.args):
                message = f"line {node.lineno} runs code that was packed or fetched ({name})"
                yield self.found(
                    item, Severity.LIKELY, message, rule="PACKED_CODE", line=node.lineno, call=name
                )
            elif _SHELL.fullmatch(name) and any(_COMMAND.search(text) for text in _texts(node)):
                message = (
                    f"line {node.lineno} gives a command to the shell ({name}): {' '.join(_texts(node))[:80]}"
                )
                yield self.found(
                    item, Severity.LIKELY, message, rule="SHELL_COMMAND", line=node.lineno, call=name
                )
        for node in outer_nodes(tree):
            name = spelled(node, names) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and _STARTS.fullmatch(name):
                message = f"line {node.lineno} calls {name} as soon as the file is imported"
                yield self.found(
                    item, Severity.LIKELY, message, rule="RUNS_ON_IMPORT", line=node.lineno, call=name
                )


def _texts(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _packed_names(tree: ast.Module, names: dict[str, str]) -> set[str]:
    """Variables that hold something unpacked or fetched."""
    held: set[str] = set()
    for _ in range(3):  # through at most three hands
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _is_packed(node.value, names, held):
                held |= {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return held


def _is_packed(node: ast.AST, names: dict[str, str], held: set[str]) -> bool:
    return any(
        (isinstance(n, ast.Call) and bool(_DECODES.fullmatch(spelled(n, names))))
        or (isinstance(n, ast.Name) and n.id in held)
        for n in ast.walk(node)
    )
