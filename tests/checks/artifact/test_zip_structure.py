"""Archives that readers read differently are found; those that tools write are not."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable

import pytest
from tests.checks.artifact.pickle_corpus import HARMLESS, torch_zip
from tests.models.files.test_walk import NET, tarred, zipped

from mithridate.checks.artifact.disguise import Disguise
from mithridate.checks.artifact.zip_structure import ZipStructure
from mithridate.core.results import Finding, Severity
from mithridate.models.files.item import Item, Kind

NUMBERS, PACKAGE = bytes(range(99)), {"p/.data/extern_modules": b"", "p/x.py": b""}
TORCH = torch_zip(NET, ("archive/data/0", bytes(8)))


def item(content: bytes, kind: Kind = "torch", name: str = "a.pt", *, tensor: bool = False) -> Item:
    return Item(name=name, kind=kind, size=len(content), opener=lambda: io.BytesIO(content), tensor=tensor)


def found(content: bytes, kind: Kind = "torch") -> dict[str, Severity]:
    results = ZipStructure().examine(item(content, kind))
    return {result.details["rule"]: result.severity for result in results if isinstance(result, Finding)}


def changed(raw: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    """`raw` with other bytes at a distance from the first (or last, for an end record) place of a mark."""
    at = raw.rfind(mark) + offset
    return raw[:at] + value + raw[at + len(value) :]


def twice() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch_zip(NET, ("archive/data/0", bytes(8)), ("archive/DATA.pkl", HARMLESS))


def two_directories() -> bytes:
    """Where the directory ends is another one than where the end record says."""
    other = zipped({"archive/data.pkl": HARMLESS})
    directory = TORCH[TORCH.find(b"PK\1\2") : TORCH.rfind(b"PK\5\6")]
    return changed(other[: other.rfind(b"PK\5\6")] + directory + TORCH[TORCH.rfind(b"PK\5\6") :], b"PK\5\6", 12,
                   struct.pack("<II", len(directory), other.find(b"PK\1\2")))  # fmt: skip


def link() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("weights")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return stream.getvalue()


ODD: list[tuple[str, str, Severity, Callable[[], bytes], Kind]] = [
    ("name", "HEADERS_DISAGREE", Severity.LIKELY, lambda: TORCH.replace(b"data.pkl", b"data.txt", 1), "torch"),
    ("size", "HEADERS_DISAGREE", Severity.LIKELY, lambda: changed(TORCH, b"PK\3\4", 18, b"\1\0\0\0"), "torch"),
    ("method", "HEADERS_DISAGREE", Severity.LIKELY, lambda: changed(TORCH, b"PK\3\4", 8, b"\x08"), "torch"),
    ("mark", "FORGED_ENCRYPTION", Severity.LIKELY, lambda: changed(torch_zip(NET), b"PK\1\2", 8, b"\1"), "torch"),
    ("sum", "WRONG_CHECKSUM", Severity.SUSPICIOUS, lambda: changed(torch_zip(NET), b"PK\1\2", 16, b"\1"), "torch"),
    ("twice", "DUPLICATE", Severity.SUSPICIOUS, twice, "torch"),
    ("front", "STRAY_BYTES", Severity.SUSPICIOUS, lambda: b"#!/bin/sh\n" + TORCH, "torch"),
    ("behind", "STRAY_BYTES", Severity.SUSPICIOUS, lambda: TORCH + b"more", "torch"),
    ("hidden", "HIDDEN_MEMBER", Severity.SUSPICIOUS, lambda: zipped({"x": b"y"})[:32] + TORCH, "torch"),
    ("count", "COUNT", Severity.SUSPICIOUS, lambda: changed(TORCH, b"PK\5\6", 10, b"\1"), "torch"),
    ("directories", "TWO_DIRECTORIES", Severity.LIKELY, two_directories, "torch"),
    ("nowhere", "NO_MEMBER", Severity.SUSPICIOUS, lambda: changed(TORCH, b"PK\1\2", 42, b"\x11"), "torch"),
    ("escape", "PATH_ESCAPE", Severity.LIKELY, lambda: zipped({"../../.bashrc": b"x"}), "zip"),
    ("root", "PATH_ESCAPE", Severity.LIKELY, lambda: zipped({"/etc/cron.d/x": b"x"}), "zip"),
    ("tar escape", "PATH_ESCAPE", Severity.LIKELY, lambda: tarred({"../x": b"x"}), "tar"),
    ("link", "LINK", Severity.SUSPICIOUS, link, "zip"),
    ("extra pickle", "EXTRA_MEMBER", Severity.SUSPICIOUS, lambda: torch_zip(NET, ("archive/x", HARMLESS)), "torch"),
    ("extra source", "EXTRA_MEMBER", Severity.SUSPICIOUS, lambda: torch_zip(NET, ("archive/x", b"import os")), "torch"),
    ("extra text", "EXTRA_TEXT", Severity.INFO, lambda: torch_zip(NET, ("archive/note", b"Some words.")), "torch"),
    ("orphan", "EXTRA_MEMBER", Severity.SUSPICIOUS, lambda: torch_zip(NET, ("archive/data/9", NUMBERS)), "torch"),
    ("slack", "TENSOR_SLACK", Severity.SUSPICIOUS, lambda: torch_zip(NET, ("archive/data/0", bytes(80))), "torch"),
    ("package", "TORCH_PACKAGE", Severity.SUSPICIOUS, lambda: zipped(PACKAGE), "zip"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "severity", "make", "kind"), [odd[1:] for odd in ODD], ids=[odd[0] for odd in ODD]
)
def test_odd(rule: str, severity: Severity, make: Callable[[], bytes], kind: Kind) -> None:
    assert found(make(), kind).get(rule) == severity


def test_overlap() -> None:
    raw = zipped({"a": bytes(100)})
    at = raw.find(b"PK\1\2")
    entry = raw[at : at + 47]
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 2, 2, 94, at, 0)
    assert found(raw[:at] + entry + entry.replace(b"a", b"b") + end, "zip")["OVERLAP"] == Severity.LIKELY


@pytest.mark.parametrize("kind", ["torch", "torchscript", "zip", "npz"])
@pytest.mark.parametrize(
    "content",
    [
        TORCH,
        torch_zip(NET, ("archive/data/0", bytes(8)), method=zipfile.ZIP_DEFLATED),
        zipped({"a": b"x", "b/c": b"y" * 99}, zipfile.ZIP_DEFLATED),
        zipped({}),
    ],
    ids=range(4),
)
def test_as_tools_write_it(content: bytes, kind: Kind) -> None:
    rules = found(content, kind)
    rules.pop("EXTRA_TEXT", None), rules.pop("EXTRA_MEMBER", None)
    assert rules == {}


def test_written_while_streaming() -> None:
    """Sizes follow the data; no tool disagrees about that."""

    class Unseekable(io.RawIOBase):
        parts: list[bytes] = []  # noqa: RUF012

        def writable(self) -> bool:
            return True

        def write(self, content: bytes) -> int:  # type: ignore[override]
            self.parts.append(bytes(content))
            return len(content)

    stream = Unseekable()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("a", b"x" * 500)
        archive.writestr("b", b"y" * 500)
    assert found(b"".join(stream.parts), "zip") == {}


DISGUISES: list[tuple[str, Kind, Severity | None]] = [
    ("a.pt", "7z", Severity.LIKELY), ("a.pkl", "rar", Severity.LIKELY), ("a.safetensors", "pickle", Severity.LIKELY),
    ("a.json", "pickle", Severity.LIKELY), ("a.bin", "library", Severity.LIKELY), ("a.png", "torch", Severity.LIKELY),
    ("a.pt", "gzip", Severity.SUSPICIOUS), ("a.npz", "pickle", Severity.SUSPICIOUS), ("a.pt", "zip", Severity.INFO),
    ("a.pt", "torch", None), ("a.pt", "pickle", None), ("a.pth", "tar", None), ("a.joblib", "zlib", None),
    ("a.bin", "torch", None), ("a.bin", "safetensors", None), ("a.txt", "lightgbm", None), ("a", "pickle", None),
    ("a.xyz", "7z", None), ("a.onnx", "onnx", None), ("a.json", "xgboost-json", None),
    ("m.pt2!sample_inputs/model.pt", "torch", None), ("a.zip!b.safetensors", "pickle", Severity.LIKELY),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "severity"), DISGUISES)
def test_disguise(name: str, kind: Kind, severity: Severity | None) -> None:
    results = [*Disguise().examine(item(b"x", kind, name))]
    assert [r.severity for r in results if isinstance(r, Finding)] == ([] if severity is None else [severity])


def test_numbers_are_not_in_disguise() -> None:
    assert [*Disguise().examine(item(b"x", "pickle", "a.pt!data/0.json", tensor=True))] == []


def test_what_nobody_reads_stays_unread() -> None:
    """A check that names a kind says that it is read."""
    assert not Disguise.kinds & {"unknown", "savedmodel", "tflite", "executorch", "catboost"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_state_dict_has_nothing_extra(method: int) -> None:
    assert found(torch_zip(NET, ("archive/data/0", bytes(8)), method=method)) == {}
