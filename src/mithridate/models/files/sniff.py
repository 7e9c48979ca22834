"""What a file is, by its content. The suffix only decides between things that look the same."""

from __future__ import annotations

import ast
import io
import re
import warnings
from collections.abc import Iterable
from pathlib import PurePosixPath

from mithridate.models.files.item import Kind
from mithridate.models.files.pickles import Built, Called, Ended, Imported, Ref, read_pickle
from mithridate.models.files.tars import is_tar
from mithridate.models.files.wire import message_kind

__all__ = ["HEAD", "is_pickle", "sniff", "zip_kind"]

#: How much of a file it takes to tell what it is.
HEAD = 1 << 16

_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"PK\3\4", "zip"), (0, b"PK\5\6", "zip"), (0, b"\x1f\x8b\x08", "gzip"), (0, b"\xfd7zXZ\0", "xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"), (0, b"Rar!\x1a\x07", "rar"),
    (0, b"\x04\x22\x4d\x18", "lz4"), (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"\x93NUMPY", "npy"), (0, b"GGUF", "gguf"), (4, b"TFL3", "tflite"), (4, b"ET12", "executorch"),
    *((at, b"\x89HDF\r\n\x1a\n", "hdf5") for at in (0, 512, 1024, 2048, 4096, 8192, 16384, 32768)),
    (0, b"CBM1", "catboost"), (0, b"tree\nversion=", "lightgbm"), (0, b"tree\r\nversion=", "lightgbm"),
    (0, b"\x7fELF", "library"), (0, b"\xfe\xed\xfa\xce", "library"), (0, b"\xfe\xed\xfa\xcf", "library"),
    (0, b"\xce\xfa\xed\xfe", "library"), (0, b"\xcf\xfa\xed\xfe", "library"),
    (0, b"\xca\xfe\xba\xbe", "library"), (0, b"\0asm\1\0\0\0", "library"),
    (0, b"\x89PNG\r\n\x1a\n", "image"), (0, b"\xff\xd8\xff", "image"), (0, b"GIF87a", "image"),
    (0, b"GIF89a", "image"), (8, b"WEBPVP8", "image"), (0, b"II*\0", "image"), (0, b"MM\0*", "image"),
)  # fmt: skip
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
#: Bytes that text files do not hold.
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_JINJA = re.compile(r"\{%-?\s*(if|for|set|macro|block|extends|include|import|from|raw|generation)\b")
_TEMPLATES = (".jinja", ".jinja2", ".j2")
#: Operations that a head may hold before it is believed to be a pickle without an import.
_ENOUGH = 200
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")


def sniff(head: bytes, size: int, name: str) -> Kind:
    """What a file is.

    Args:
        head: its first `HEAD` bytes, or all.
        size: of the file.
        name: its name; the suffix tells Python and templates from other text.
    """
    if not size:
        return "empty"
    for at, magic, kind in _MAGIC:
        if head.startswith(magic, at):
            return kind
    if _BZIP2.match(head):
        return "bzip2"
    if head[:2] == b"MZ" and _is_pe(head):
        return "library"
    if is_tar(head):
        return "tar"
    if _is_safetensors(head, size):
        return "safetensors"
    if is_pickle(head, size):
        return "pickle"
    if head[:1] == b"{" and head[1:2] in b"iUIlL" and b"learner" in head[:256]:
        return "xgboost-ubj"
    return _text_kind(head, size, name) or _binary_kind(head, size, name)


def _binary_kind(head: bytes, size: int, name: str) -> Kind:
    kind = message_kind(head, size)
    if kind is not None:
        return "onnx" if kind == "onnx" else "savedmodel"
    if head[:2] in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        return "zlib"
    if head[:3] == b"\x5d\0\0" and head[5:13] in (b"\xff" * 8, *(_lzma_size(head),)):
        return "lzma"
    if PurePosixPath(name).suffix.lower() == ".onnx" and head[:1] in b"\x08\x12\x1a\x22\x28\x32\x3a\x42":
        return "onnx"  # with something in it that the format does not have
    return "unknown"


def _lzma_size(head: bytes) -> bytes:
    """The size field, when it is one that a file may have."""
    return head[5:13] if head[11:13] == b"\0\0" else b"\xff" * 8


def _is_pe(head: bytes) -> bool:
    at = int.from_bytes(head[60:64], "little")
    return head[at : at + 4] == b"PE\0\0" or at >= len(head)


def _is_safetensors(head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= max(size, 100_000_000) and head[9:10] in b'"} \n\r\t'


def is_pickle(head: bytes, size: int) -> bool:
    """Whether an unpickler would do something with this: with or without a declared protocol.

    Args:
        head: the first bytes.
        size: of the file.
    """
    declared = head[:1] == b"\x80" and head[1:2] <= b"\5"
    imports, acts = 0, False
    for event in read_pickle(io.BytesIO(head), 0, size, most=20_000):
        if isinstance(event, Imported):
            imports += _is_dotted(event.ref)
        elif isinstance(event, Called | Built):
            acts = acts or (imports > 0)
        elif isinstance(event, Ended):
            return _believable(event, declared, imports, acts, len(head), size)
    return False


def _believable(end: Ended, declared: bool, imports: int, acts: bool, read: int, size: int) -> bool:
    if acts:
        return True
    if end.broken is None:
        return declared or (end.operations > 2 and end.at == size)
    if end.at >= read < size or "more than" in end.broken:  # it goes on after the head
        return declared or imports > 0 or end.operations > _ENOUGH
    return declared and end.operations > 2


def _is_dotted(ref: Ref) -> bool:
    return bool(_DOTTED.match(ref.module) and _DOTTED.match(ref.name))


def _text_kind(head: bytes, size: int, name: str) -> Kind | None:
    """What kind of text it is; None when it is none."""
    text = _decoded(head, size)
    if text is None:
        return None
    stripped = text.lstrip("\ufeff \t\r\n")
    suffix = PurePosixPath(name).suffix.lower()
    if (
        re.match(r'\{\s*("|\}|\Z)|\[\s*(["\[{\]\-\d]|true|false|null|\Z)', stripped)
        and suffix not in _TEMPLATES
    ):
        is_booster = stripped[:1] == "{" and re.search(r'"learner"\s*:', stripped[:4096])
        return "xgboost-json" if is_booster else "json"
    if suffix in (".py", ".pyw", ".pyi") or (len(head) == size and _is_python(text)):
        return "python"
    if suffix in _TEMPLATES or _JINJA.search(text):
        return "template"
    return "text"


def _decoded(head: bytes, size: int) -> str | None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return head[: len(head) // 2 * 2].decode("utf-16")
        except UnicodeDecodeError:
            return None
    if _BINARY.search(head):
        return None
    for cut in range(4 if len(head) < size else 1):  # the head may end within a character
        try:
            return head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return None


def _is_python(text: str) -> bool:
    """Whether a text is a program: it parses and imports, defines or calls something."""
    if not re.search(r"^[ \t]*(import|from|def|class|@|async|exec|eval|print)\b|\w\(", text, re.MULTILINE):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    acting = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    return any(
        isinstance(node, acting) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
        for node in tree.body
    )


def zip_kind(names: Iterable[str]) -> Kind:
    """What a zip is, by the names of its members."""
    paths = {name.replace("\\", "/").lower() for name in names}
    last = {path.rsplit("/", 1)[-1] for path in paths}
    if "data.pkl" in last or "constants.pkl" in last:
        script = "constants.pkl" in last or any(
            "/code/" in path or path.startswith("code/") for path in paths
        )
        return "torchscript" if script else "torch"
    if "archive_format" in last or "serialized_exported_program.json" in last:
        return "pt2"
    if "config.json" in last and ("model.weights.h5" in last or "metadata.json" in last):
        return "keras"
    if "schema.json" in paths:
        return "skops"
    if paths and all(path.endswith(".npy") for path in paths):
        return "npz"
    return "zip"
