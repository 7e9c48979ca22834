"""What is inside an item: members of archives, unpacked streams, and bytes that no directory mentions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from mithridate.core.results import Skip
from mithridate.models.files.item import Item, Kind
from mithridate.models.files.limits import ScanLimits
from mithridate.models.files.sniff import HEAD, sniff, zip_kind
from mithridate.models.files.streams import PACKINGS, Spool, unpack, window
from mithridate.models.files.tars import BrokenTarError, read_tar
from mithridate.models.files.zip_payload import open_entry, payload
from mithridate.models.files.zips import BrokenZipError, ZipEntry, ZipIndex, read_zip

__all__ = ["Budget", "shown", "skipped", "unfold"]

_ZIPS: tuple[Kind, ...] = ("zip", "torch", "torchscript", "pt2", "npz", "keras", "skops")
_NOT_OPENED: dict[Kind, str] = {"7z": "7z", "rar": "rar", "lz4": "lz4", "zstd": "Zstandard"}
_METHODS = {8: "deflate", 12: "bzip2"}
_UNPACK = "Unpack it yourself, with limits, and scan what comes out."


def skipped(items: tuple[str, ...], reason: str, remedy: str) -> Skip:
    """Something that the walk could not look at."""
    return Skip(check="walk", reason=f"{items[0]}: {reason}", remedy=remedy, items=items, count=len(items))


def shown(name: str) -> str:
    """A name that may be printed: what moves a cursor or turns text around is spelled out."""
    plain = (
        name if name.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)
    )
    return plain if len(plain) <= 512 else f"{plain[:500]}… ({len(plain):,} characters)"


class Budget:
    """What a walk has used up.

    Args:
        limits: how much there is.
    """

    def __init__(self, limits: ScanLimits) -> None:
        self.limits = limits
        self.items, self.unpacked = 0, 0
        self.until = time.monotonic() + limits.seconds
        #: why nothing more is looked at; "" while there is something left.
        self.spent = ""

    def exhausted(self) -> bool:
        """Count one item more."""
        self.items += 1
        if self.items > self.limits.items:
            self.spent = f"more than {self.limits.items:,} files and members"
        elif time.monotonic() > self.until:
            self.spent = f"the walk took more than {self.limits.seconds:,.0f} s"
        return bool(self.spent)


def unfold(item: Item, head: bytes, budget: Budget, depth: int = 0) -> Iterator[Item | Skip]:
    """The item itself, then all that is inside it.

    Args:
        item: with its kind.
        head: its first bytes.
        budget: what is left.
        depth: how many archives it lies in.
    """
    if item.tensor:
        yield item
        return
    behind = item.kind != "zip" and _ends_as_zip(item)
    if item.kind == "zip" or behind:
        yield from _zip(item, budget, depth, behind=behind)
        return
    yield item
    if item.kind in _NOT_OPENED:
        yield skipped((item.name,), f"{_NOT_OPENED[item.kind]} archives are not opened", _UNPACK)
    elif item.kind == "tar" or item.kind in PACKINGS:
        if depth >= budget.limits.depth:
            yield skipped((item.name,), f"more than {depth} archives inside each other", _UNPACK)
        elif item.kind == "tar":
            yield from _tar(item, budget, depth)
        else:
            yield from _packed(item, item.kind, _Part(0, item.size), _stem(item.name), budget, depth)


def _ends_as_zip(item: Item) -> bool:
    """Whether something that does not begin as a zip is one from its end, as readers of zips see it.

    The end must be that of the file: bytes of a zip may lie inside a file of any kind.
    """
    if item.size < 22 or item.kind in ("tar", "7z", "rar"):
        return False
    with item.open() as stream:
        stream.seek(max(item.size - 22 - 65_535, 0))
        if b"PK\5\6" not in stream.read():
            return False
        try:
            index = read_zip(stream, item.size, members=8)
        except BrokenZipError:
            return False
    goes_on = any(gap.where == "behind" for gap in index.gaps)
    return not goes_on and bool(index.directories) and any(e.data is not None for e in index.entries)


@dataclass(frozen=True, slots=True)
class _Part:
    """Where bytes lie in an item."""

    start: int
    size: int


def _opened(item: Item, part: _Part) -> Callable[[], BinaryIO]:
    return lambda: window(item.open(), part.start, part.size)


def _stem(name: str) -> str:
    """The name of what a packed file holds."""
    last = name.rsplit("/", 1)[-1].rsplit("!", 1)[-1]
    return last.rsplit(".", 1)[0] or last


def _member(
    inside: Item, name: str, part: _Part, budget: Budget, depth: int, *, tensor: bool = False
) -> Iterator[Item | Skip]:
    """A member that lies in its archive as it is: a window, no copy."""
    opener = _opened(inside, part)
    size = max(min(part.size, inside.size - part.start), 0)
    full = f"{inside.name}!{shown(name)}"
    if tensor:
        yield Item(name=full, kind="unknown", size=size, opener=opener, inside=inside, tensor=True)
        return
    with opener() as stream:
        head = stream.read(HEAD)
    item = Item(name=full, kind=sniff(head, size, name), size=size, opener=opener, inside=inside)
    yield from unfold(item, head, budget, depth + 1)


# ---- zip


def _zip(item: Item, budget: Budget, depth: int, *, behind: bool) -> Iterator[Item | Skip]:
    limits = budget.limits
    try:
        with item.open() as stream:
            index = read_zip(stream, item.size, members=limits.members, directory=limits.directory_bytes)
    except BrokenZipError as error:
        yield item
        yield skipped((item.name,), f"a zip whose index cannot be followed: {error}", _UNPACK)
        return
    kind = zip_kind(entry.name for entry in index.entries)
    if behind:  # what it is from its front comes as well: other loaders begin there
        yield item
        item = replace(item, name=f"{item.name}!(read from its end)", kind=kind, inside=item)
    else:
        item = replace(item, kind=kind)
    yield item
    if depth >= limits.depth:
        yield skipped((item.name,), f"more than {depth} archives inside each other", _UNPACK)
        return
    if index.truncated:
        yield skipped(
            (item.name,), "a zip without its directory; members were found by their headers", _UNPACK
        )
    if index.more:
        yield skipped((item.name,), f"a zip of more than {limits.members:,} members", _UNPACK)
    yield from _members(item, index, budget, depth)


def _members(item: Item, index: ZipIndex, budget: Budget, depth: int) -> Iterator[Item | Skip]:
    tensors = payload(item, index, budget.limits.opcodes)
    overlapping = set(index.overlaps)
    seen: set[tuple[int, int]] = set()
    for entry in index.entries:
        if entry.name.endswith(("/", "\\")) and not entry.packed:
            continue
        if (entry.header, entry.packed) in seen:
            continue  # the same bytes under another name, which `overlaps` tells of
        seen.add((entry.header, entry.packed))
        name = f"{entry.name} (in no directory)" if entry.hidden else entry.name
        if entry.name in overlapping and entry.method:
            reason = "a packed member that shares its bytes with another one"
            yield skipped((f"{item.name}!{shown(name)}",), reason, _UNPACK)
        else:
            yield from _entry(item, entry, name, budget, depth, entry.name in tensors)
    headers = {entry.header for entry in index.entries}
    for gap in index.gaps:
        if gap.start not in headers:
            yield from _member(item, f"({gap.where} the members)", _Part(gap.start, gap.size), budget, depth)


def _entry(
    item: Item, entry: ZipEntry, name: str, budget: Budget, depth: int, tensor: bool
) -> Iterator[Item | Skip]:
    full = f"{item.name}!{shown(name)}"
    if entry.data is None:
        yield skipped((full,), "the directory points to where no member begins", _UNPACK)
        return
    part = _Part(entry.data, entry.packed)
    if entry.link:
        yield skipped((full,), "a link inside an archive; it is not followed", "Scan what it leads to.")
    elif tensor and entry.method in _METHODS:
        most = budget.limits.member_bytes

        def opener() -> BinaryIO:
            return open_entry(item, entry, most)[0]

        yield Item(name=full, kind="unknown", size=entry.size, opener=opener, inside=item, tensor=True)
    elif entry.method in _METHODS:
        yield from _packed(item, _METHODS[entry.method], part, name, budget, depth, encrypted=entry.flags & 1)
    elif entry.method:
        yield skipped((full,), f"packed by method {entry.method}, which is not unpacked", _UNPACK)
    else:
        for found in _member(item, name, part, budget, depth, tensor=tensor):
            if entry.flags & 1 and isinstance(found, Item) and found.name == full and found.kind == "unknown":
                # loaders that ignore the flag read the bytes as they are, so they were looked at all the same
                yield skipped((full,), "it is encrypted", "Decrypt it and scan it again.")
            yield found


# ---- tar


def _tar(item: Item, budget: Budget, depth: int) -> Iterator[Item | Skip]:
    count = 0
    try:
        with item.open() as stream:
            for entry in read_tar(stream, item.size):
                count += 1
                full = f"{item.name}!{shown(entry.name)}"
                if count > budget.limits.members:
                    yield skipped((item.name,), f"a tar of more than {count - 1:,} members", _UNPACK)
                    return
                if entry.type == "file":
                    yield from _member(item, entry.name, _Part(entry.data, entry.size), budget, depth)
                elif entry.type == "link":
                    reason = f"a link to {shown(entry.target)!r} inside an archive; it is not followed"
                    yield skipped((full,), reason, "Scan what it leads to.")
                elif entry.type == "special":
                    yield skipped((full,), "neither a file, a folder nor a link", _UNPACK)
    except BrokenTarError as error:
        yield skipped((item.name,), f"a tar that cannot be followed: {error}", _UNPACK)


# ---- packed streams


def _packed(
    inside: Item, packing: str, part: _Part, name: str, budget: Budget, depth: int, *, encrypted: int = 0
) -> Iterator[Item | Skip]:
    """A packed member: unpacked within limits, then looked at like any other."""
    full = f"{inside.name}!{shown(name)}"
    spool = Spool()
    try:
        with window(inside.open(), part.start, part.size) as stream:
            used = _fill(spool, stream, packing, part.size, budget)
        trouble, whole = "", True
    except _TooMuchError as error:
        trouble, whole = str(error), False
    except ValueError as error:
        trouble, whole = ("it is encrypted" if encrypted else f"it cannot be unpacked ({error})"), False
    if trouble:
        yield skipped((full,), trouble, _UNPACK)
    if not spool.size and trouble:
        return
    with spool.open() as stream:
        head = stream.read(HEAD)
    item = Item(
        name=full, kind=sniff(head, spool.size, name), size=spool.size, opener=spool.open, inside=inside
    )
    if whole:
        yield from unfold(item, head, budget, depth + 1)
        if used < part.size:
            rest = _Part(part.start + used, part.size - used)
            yield from _rest(inside, name, rest, budget, depth)
    else:
        yield item  # what came out so far: a payload may stand before the place where it breaks


class _TooMuchError(Exception):
    """It unpacks to more than a limit."""


def _fill(spool: Spool, stream: BinaryIO, packing: str, packed: int, budget: Budget) -> int:
    """Unpack one stream, and those of the same kind right behind it; gives the packed bytes used."""
    limits = budget.limits
    used = 0
    while True:
        stream.seek(used)
        count = 0
        for content, count in unpack(stream, packing):
            spool.write(content)
            budget.unpacked += len(content)
            if spool.size > limits.member_bytes:
                raise _TooMuchError(f"it unpacks to more than {limits.member_bytes:,} bytes")
            if budget.unpacked > limits.total_bytes:
                raise _TooMuchError(f"all that was unpacked is more than {limits.total_bytes:,} bytes")
            if spool.size > limits.ratio_floor and spool.size > limits.ratio * (used + count):
                raise _TooMuchError(f"it unpacks to more than {limits.ratio:,.0f} times its size")
            if time.monotonic() > budget.until:
                raise _TooMuchError(f"the walk took more than {limits.seconds:,.0f} s")
        used += count
        stream.seek(used)
        again = {"gzip": b"\x1f\x8b\x08", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0"}.get(packing)
        if again is None or used >= packed or stream.read(len(again)) != again:
            return used


def _rest(inside: Item, name: str, part: _Part, budget: Budget, depth: int) -> Iterator[Item | Skip]:
    """Bytes behind the end of a packed stream; padding with zeros is none."""
    with window(inside.open(), part.start, part.size) as stream:
        while block := stream.read(1 << 20):
            if block.strip(b"\0"):
                yield from _member(inside, f"{name} (behind the packed bytes)", part, budget, depth)
                return
