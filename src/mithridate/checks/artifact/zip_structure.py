"""Finds archives that different readers read differently, and members that the model does not need."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import BinaryIO

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item, Kind
from mithridate.models.files.limits import ScanLimits
from mithridate.models.files.sniff import HEAD, sniff
from mithridate.models.files.streams import window
from mithridate.models.files.tars import BrokenTarError, read_tar
from mithridate.models.files.unfold import shown
from mithridate.models.files.zip_payload import open_entry, payload
from mithridate.models.files.zips import BrokenZipError, Gap, ZipEntry, ZipIndex, read_zip

__all__ = ["ZipStructure"]

_ZIPS: tuple[Kind, ...] = ("zip", "torch", "torchscript", "pt2", "npz", "keras", "skops")
_PACKED: tuple[Kind, ...] = ("gzip", "bzip2", "xz", "zlib", "lzma")
_SCRIPT_PARTS = frozenset({"bytecode.pkl", "attributes.pkl", "traced_inputs.pkl", "mobile_debug_handles.pkl"})
_MOST_CHECKED, _MOST_CHECKED_TOGETHER = 64 << 20, 1 << 30
_MOST_NAMES = 20
#: Members of a PyTorch archive that its pickle does not refer to, and that belong there.
_BOOKKEEPING = frozenset(
    {
        "data.pkl",
        "version",
        "byteorder",
        "constants.pkl",
        ".format_version",
        ".storage_alignment",
        "serialization_id",
    }
)


@artifact_check(
    Card(
        id="zip-structure",
        title="archive that readers read differently",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes=(
            "Tools write archives whose two directories agree, without bytes that belong to no member and without "
            "members that the model does not refer to; where readers disagree, a scanner sees another file than "
            "the loader."
        ),
        catches=None,
        misses="Members that a PyTorch archive refers to and whose numbers carry a message (steganography).",
        effect="none",
        cites=(
            "PKWARE APPNOTE 6.3.10; CVE-2025-1944 and CVE-2025-1945 (names and flag bits), CVE-2025-10156 "
            "(checksums); Fifield 2019, USENIX WOOT (overlapping members)"
        ),
        remedy="Do not load it. Ask its author for the file as the tool writes it.",
        graded=True,
        reads_order=False,
    )
)
class ZipStructure(ArtifactCheck):
    """Compares what the headers and the directory of a zip say; looks for names that leave the folder.

    Args:
        limits: members and bytes of the directory that are read.
    """

    kinds = frozenset((*_ZIPS, "tar", *_PACKED))

    def __init__(self, limits: ScanLimits | None = None) -> None:
        self._limits = limits or ScanLimits()

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield at most one finding for each way in which the archive is odd."""
        if item.kind in _PACKED:
            return  # a packed stream has no structure; what it holds is an item of its own
        with item.open() as stream:
            if item.kind == "tar":
                yield from self._tar(item, stream)
                return
            try:
                index = read_zip(
                    stream, item.size, members=self._limits.members, directory=self._limits.directory_bytes
                )
            except BrokenZipError:
                return  # the walk says so
            yield from self._directories(item, index)
            yield from self._headers(item, index)
            tensors = payload(item, index, self._limits.opcodes)
            yield from self._gaps(item, index)
            yield from self._contents(item, index, tensors)
            yield from self._package(item, index)
            if item.kind in ("torch", "torchscript"):
                yield from self._extra(item, index, tensors)

    def _odd(
        self, item: Item, severity: Severity, rule: str, names: list[str], what: str
    ) -> Iterator[Finding]:
        """One finding about some members, if there are any."""
        if names:
            listed = ", ".join(shown(name) for name in names[:4])
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            message = f"{what}: {listed}{more}"
            yield self.found(item, severity, message, rule=rule, members=names[:_MOST_NAMES])

    # ---- the whole

    def _directories(self, item: Item, index: ZipIndex) -> Iterator[Finding]:
        listed = sum(not entry.hidden for entry in index.entries)
        if index.directories > 1:
            message = "it has several directories; which members a reader sees depends on the reader"
            yield self.found(item, Severity.LIKELY, message, rule="TWO_DIRECTORIES", count=index.directories)
        elif not index.truncated and not index.more and index.declared not in (listed, listed & 0xFFFF):
            message = (
                f"it declares {index.declared:,} members and lists {listed:,}; readers trust either number"
            )
            yield self.found(
                item, Severity.SUSPICIOUS, message, rule="COUNT", declared=index.declared, listed=listed
            )
        what = "members that share their bytes, as only zip bombs and forgeries do"
        yield from self._odd(item, Severity.LIKELY, "OVERLAP", list(index.overlaps), what)
        counts = Counter(entry.name.casefold() for entry in index.entries)
        twice = [name for name, count in counts.items() if count > 1]
        what = "several members under one name; readers take the first or the last of them"
        yield from self._odd(item, Severity.SUSPICIOUS, "DUPLICATE", twice, what)
        yield from self._paths(
            item, [e.name for e in index.entries], [e.name for e in index.entries if e.link]
        )
        if not index.truncated:
            hidden = [entry.name for entry in index.entries if entry.hidden]
            what = "members that no directory lists; some readers find them by their own headers"
            yield from self._odd(item, Severity.SUSPICIOUS, "HIDDEN_MEMBER", hidden, what)

    def _paths(self, item: Item, names: list[str], links: list[str]) -> Iterator[Finding]:
        outside = [n for n in names if _leaves(n)]
        what = "members that would be unpacked outside of the folder"
        yield from self._odd(item, Severity.LIKELY, "PATH_ESCAPE", outside, what)
        what = "links, through which a reader is led to files of the machine"
        yield from self._odd(item, Severity.SUSPICIOUS, "LINK", links, what)

    # ---- header by header

    def _headers(self, item: Item, index: ZipIndex) -> Iterator[Finding]:
        both = [e for e in index.entries if e.local is not None and not e.hidden]
        differ = [e.name for e in both if e.local is not None and _disagrees(e)]
        what = "members whose own header and the directory disagree, so that scanner and loader read different bytes"
        yield from self._odd(item, Severity.LIKELY, "HEADERS_DISAGREE", differ, what)
        lost = [e.name for e in index.entries if e.data is None]
        what = "entries of the directory that point to no member"
        yield from self._odd(item, Severity.SUSPICIOUS, "NO_MEMBER", lost, what)

    def _gaps(self, item: Item, index: ZipIndex) -> Iterator[Finding]:
        hidden = {entry.header for entry in index.entries if entry.hidden}
        stray = [
            f"{gap.size:,} {gap.where} its members at {gap.start:,}"
            for gap in index.gaps
            if gap.start not in hidden and not (gap.where == "between" and _is_padding(item, gap))
        ]
        yield from self._odd(
            item, Severity.SUSPICIOUS, "STRAY_BYTES", stray, "bytes that belong to no member"
        )

    def _contents(self, item: Item, index: ZipIndex, tensors: Mapping[str, int | None]) -> Iterator[Finding]:
        forged: list[str] = []
        locked: list[str] = []
        wrong: list[str] = []
        checked, budget = 0, _MOST_CHECKED_TOGETHER
        for entry in index.entries:
            if entry.data is None or entry.name in tensors:
                continue
            budget -= max(entry.packed, min(entry.size, _MOST_CHECKED))
            plain = _plain(item, entry) if budget > 0 else None
            if entry.flags & 1:
                (forged if plain else locked).append(entry.name)
            elif plain is not None:
                checked += 1
                if not plain and not entry.hidden:
                    wrong.append(entry.name)
        what = "members marked as encrypted that are not: scanners stop there, loaders that ignore the mark do not"
        yield from self._odd(item, Severity.LIKELY, "FORGED_ENCRYPTION", forged, what)
        what = "encrypted members, into which nobody can look"
        yield from self._odd(item, Severity.SUSPICIOUS, "ENCRYPTED", locked, what)
        # PyTorch can be told to write no checksums, and then all of them are wrong
        deliberate = len(wrong) == checked and item.kind in ("torch", "torchscript")
        severity = Severity.INFO if deliberate else Severity.SUSPICIOUS
        what = "members whose checksum is wrong: scanners that check it refuse them, PyTorch loads them"
        yield from self._odd(item, severity, "WRONG_CHECKSUM", wrong, what)

    # ---- what PyTorch does not need

    def _package(self, item: Item, index: ZipIndex) -> Iterator[Finding]:
        names = [entry.name for entry in index.entries]
        if any(name.endswith("/.data/extern_modules") for name in names):
            sources = [name for name in names if name.endswith(".py")]
            what = "a torch.package, whose Python source is executed when it is imported"
            yield from self._odd(item, Severity.SUSPICIOUS, "TORCH_PACKAGE", sources or names[:1], what)

    def _extra(self, item: Item, index: ZipIndex, tensors: Mapping[str, int | None]) -> Iterator[Finding]:
        larger = [e.name for e in index.entries if e.size > (tensors.get(e.name) or e.size)]
        what = "members larger than the tensors that they hold"
        yield from self._odd(item, Severity.SUSPICIOUS, "TENSOR_SLACK", larger, what)
        acting: list[str] = []
        other: list[str] = []
        for entry in index.entries:
            if entry.name in tensors or entry.name.endswith("/") or _belongs(entry.name, item.kind):
                continue
            kind = _kind(item, entry)
            (other if kind in ("text", "json", "image", "empty", "template") else acting).append(entry.name)
        what = "members that the model does not refer to"
        yield from self._odd(item, Severity.SUSPICIOUS, "EXTRA_MEMBER", acting, what)
        yield from self._odd(item, Severity.INFO, "EXTRA_TEXT", other, what)

    # ---- tar

    def _tar(self, item: Item, stream: BinaryIO) -> Iterator[Finding]:
        names: list[str] = []
        links: list[str] = []
        try:
            for entry in read_tar(stream, item.size):
                if len(names) >= self._limits.members:
                    break
                names.append(entry.name)
                if entry.type == "link":
                    links.append(entry.name)
        except BrokenTarError:
            pass  # the walk says so
        yield from self._paths(item, names, links)


def _is_padding(item: Item, gap: Gap) -> bool:
    with window(item.open(), gap.start, gap.size) as part:
        while block := part.read(1 << 20):
            if block.strip(b"\0"):
                return False
    return True


def _leaves(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return ".." in parts or name[:1] in "/\\" or name[1:2] == ":" or "\0" in name


def _disagrees(entry: ZipEntry) -> bool:
    """Whether a member's own header contradicts the directory; sizes may be left to the record behind the data."""
    assert entry.local is not None
    name, method, flags, _, packed, size = entry.local
    if name != entry.name or method != entry.method or (flags ^ entry.flags) & 1:
        return True
    later = flags & 8 and not packed and not size
    return not later and (packed, size) != (entry.packed, entry.size)


def _plain(item: Item, entry: ZipEntry) -> bool | None:
    """Whether a member's bytes fit its checksum; None when they are too many or packed in an unknown way."""
    if entry.data is None or max(entry.packed, entry.size) > _MOST_CHECKED or entry.method not in (0, 8):
        return None
    try:
        stream, _ = open_entry(item, entry, _MOST_CHECKED)
    except OSError:
        return False
    with stream:
        return zlib.crc32(stream.read()) == entry.crc


def _kind(item: Item, entry: ZipEntry) -> Kind:
    try:
        stream, size = open_entry(item, entry, _MOST_CHECKED)
    except OSError:
        return "unknown"
    with stream:
        return sniff(stream.read(HEAD), size, entry.name)


def _belongs(name: str, kind: Kind) -> bool:
    """Members that PyTorch writes beside the tensors."""
    parts = name.split("/")
    if parts[-1] in _BOOKKEEPING:
        return True
    if kind == "torchscript" and len(parts) > 2 and parts[1] == "code":
        return parts[-1].endswith((".py", ".debug_pkl"))
    return kind == "torchscript" and (parts[-1] in _SCRIPT_PARTS or (len(parts) > 2 and parts[1] == "extra"))
