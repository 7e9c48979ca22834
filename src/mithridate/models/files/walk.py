"""Every file and every member of archives, one by one, within limits; what cannot be looked at is a Skip."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mithridate.core.errors import UsageError
from mithridate.core.results import Skip
from mithridate.models.files.item import Item
from mithridate.models.files.limits import ScanLimits
from mithridate.models.files.sniff import HEAD, sniff
from mithridate.models.files.unfold import Budget, shown, skipped, unfold

__all__ = ["walk"]


def walk(root: Path, limits: ScanLimits | None = None) -> Iterator[Item | Skip]:
    """All there is to look at under a path, in a fixed order; an archive comes before its members.

    Bytes are read when an item is opened; those of packed members live as long as their item does. Links are not
    followed: what they lead to is either here under its own name, or a Skip.

    Args:
        root: a file or a folder.
        limits: how much may be read and unpacked.

    Raises:
        UsageError: there is nothing at this path.
    """
    limits = limits or ScanLimits()
    budget = Budget(limits)
    root = Path(root)
    if not root.exists():
        raise UsageError("a file or folder", "nothing", str(root), "Check the path.")
    base = root.resolve()
    if base.is_dir():
        for found in _tree(base, limits):
            if isinstance(found, Skip):
                yield found
                continue
            name = shown(str(found.relative_to(base).as_posix()))
            yield from _within(_file(found, name, budget), name, budget)
            if budget.spent:
                yield skipped((name,), budget.spent, "Scan the rest on its own, or raise the limit.")
                return
    else:
        yield from _within(_file(base, shown(root.name), budget), root.name, budget)


def _within(items: Iterator[Item | Skip], name: str, budget: Budget) -> Iterator[Item | Skip]:
    """Items, until the budget is spent; a file that vanishes or breaks off meanwhile is a Skip."""
    try:
        for item in items:
            if budget.exhausted():
                yield skipped((name,), budget.spent, "Scan it on its own, or raise the limit.")
                return
            yield item
    except OSError as error:
        yield skipped((name,), f"it cannot be read ({error.strerror or error})", "Make it readable.")


def _tree(base: Path, limits: ScanLimits) -> Iterator[Path | Skip]:
    """Regular files under a folder, sorted; everything else that is there is a Skip."""
    pending, count = [base], 0
    while pending:
        folder = pending.pop()
        name = shown(folder.relative_to(base).as_posix())
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda e: e.name)
        except OSError as error:
            yield skipped((name,), f"the folder cannot be read ({error.strerror})", "Make it readable.")
            continue
        folders: list[Path] = []
        for entry in found:
            path = Path(entry.path)
            if entry.is_symlink():
                yield from _link(path, base)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif count >= limits.files:
                yield skipped((name,), f"more than {limits.files:,} files", "Scan its folders one by one.")
                return
            else:
                count += 1
                yield path
        pending.extend(reversed(folders))


def _link(path: Path, base: Path) -> Iterator[Skip]:
    """A link is never followed; where its target is in the tree, that is looked at under its own name."""
    name = shown(path.relative_to(base).as_posix())
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        yield skipped((name,), "a link that leads nowhere", "Remove it, or scan what it should lead to.")
        return
    if not target.is_relative_to(base):
        remedy = "Scan what it leads to, or a copy in which links are replaced by files."
        yield skipped((name,), "a link out of the folder that is scanned; it is not followed", remedy)


def _file(path: Path, name: str, budget: Budget) -> Iterator[Item | Skip]:
    opener = _opener(path)
    try:
        with opener() as stream:
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(HEAD)
    except OSError as error:
        yield skipped((name,), f"it cannot be read ({error.strerror or error})", "Make it a readable file.")
        return
    item = Item(name=name, kind=sniff(head, size, name), size=size, opener=opener, path=path)
    yield from unfold(item, head, budget)


def _opener(path: Path) -> Callable[[], BinaryIO]:
    """Opens a regular file and nothing else: a pipe would block, a device has no end, a link leads away."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )

    def open_() -> BinaryIO:
        handle = os.open(path, flags)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(0, "not a regular file")
        return cast("BinaryIO", os.fdopen(handle, "rb"))

    return open_
