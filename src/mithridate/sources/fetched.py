"""Data of a store, fetched once into a bounded cache on this machine.

Everything is fetched whole before it is opened: an audit reads the data in several passes and goes back to single
samples, which from a store would cost a transfer each time. What was fetched is found again by names, sizes and
versions (ETag or date) of the objects; the data sets that were used longest ago make room for new ones.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mithridate.core.cache import cache_folder
from mithridate.core.errors import SourceError, UsageError
from mithridate.sources.base import quote
from mithridate.sources.patterns import braces, is_pattern
from mithridate.sources.stores import answering, opened_store, shown_uri

__all__ = ["Fetched", "fetch"]

_LIMIT = "MITHRIDATE_REMOTE_GB"
_DEFAULT_GB = 50.0
_STEP = 4 << 20
_LOCK = "lock"
_VERSIONS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)


class Hold:
    """A shared lock of an entry of the cache, for as long as this object lives.

    Args:
        entry: of the cache.
    """

    def __init__(self, entry: Path) -> None:
        (entry / _LOCK).touch()
        self._file = (entry / _LOCK).open("rb")
        _lock(self._file, exclusive=False)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Data of a store on this machine.

    Attributes:
        path: the file or folder.
        held: keeps it from making room for other data while it is open.
    """

    path: Path
    held: Hold


@dataclass(frozen=True, kw_only=True)
class _Object:
    key: str
    name: str
    size: int | None
    version: str


def fetch(uri: str) -> Fetched:
    """Fetch a file, a folder or a pattern of files.

    Args:
        uri: of any store that `stores.opened_store` knows.

    Raises:
        SourceError: nothing there, no leave to read it, more than the cache may hold, broken off.
        UsageError: a package that is not installed.
    """
    store, root = opened_store(uri)
    with answering(uri):
        objects, alone = _listed(store, root, uri)
    if not objects:
        raise SourceError("data at this address", "nothing there", shown_uri(uri), "Check the address.")
    bound = _bound()
    total = sum(o.size or 0 for o in objects)
    if total > bound:
        remedy = f"Set {_LIMIT} to more, give fewer shards, or copy the data to a disk and give its path."
        got = f"{total / 1e9:,.1f} GB in {len(objects):,} files"
        raise SourceError(f"at most {bound / 1e9:,.1f} GB to fetch", got, shown_uri(uri), remedy)
    place = cache_folder() / "remote"
    told = json.dumps([shown_uri(uri), [(o.name, o.size, o.version) for o in objects]])
    entry = place / blake2b(told.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = all(o.version for o in objects)  # else nobody can say whether it is still the same
        if not (known and (entry / "data").is_dir()):
            _download(store, objects, entry, bound, uri)
        held = Hold(entry)
        _make_room(place, entry, bound)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            "room to keep the data", why, str(place), "Free some, or set XDG_CACHE_HOME."
        ) from None
    data = entry / "data"
    return Fetched(path=data / objects[0].name if alone else data, held=held)


def _bound() -> int:
    told = os.environ.get(_LIMIT, "")
    try:
        bound = float(told) if told else _DEFAULT_GB
        if not 0 < bound < 1e9:
            raise ValueError
    except ValueError:
        raise UsageError("a number of gigabytes", repr(told), _LIMIT, "Correct it.") from None
    return int(bound * 1e9)


def _listed(store: Any, root: str, uri: str) -> tuple[list[_Object], bool]:
    """The objects behind a path, in order, and whether it is one."""
    marks = "{" if "http" in getattr(store, "protocol", ()) else "{*["  # a "?" is part of an address
    if any(mark in root for mark in marks) and not store.exists(root):
        keys = [
            k for name in braces(root) for k in (sorted(store.glob(name)) if is_pattern(name) else [name])
        ]
        base = os.path.commonpath([str(PurePosixPath(k).parent) for k in keys]) if keys else ""
        return [_object(k, store.info(k), base, uri) for k in keys], False
    about = store.info(root)
    if about.get("type") != "directory":
        return [_object(root, about, str(PurePosixPath(root).parent), uri)], True
    found = store.find(root, detail=True)
    return [_object(k, about, root, uri) for k, about in sorted(found.items()) if not k.endswith("/")], False


def _object(key: str, about: dict[str, Any], base: str, uri: str) -> _Object:
    name = PurePosixPath(key.split("?")[0] if "://" in key else key)
    inner = PurePosixPath(os.path.relpath(name, base)) if base not in ("", ".") else name
    # the store chooses the names; none of them may lead out of the folder of the cache
    if (
        ".." in name.parts
        or ".." in inner.parts
        or inner.is_absolute()
        or "\0" in key
        or inner.name in ("", ".")
    ):
        raise SourceError(
            "names below the address", quote([key[-200:]]), shown_uri(uri), "Rename the object."
        )
    version = next((str(about[v]) for v in _VERSIONS if about.get(v)), "")
    size = about.get("size")
    return _Object(key=key, name=inner.as_posix(), size=None if size is None else int(size), version=version)


def _download(store: Any, objects: list[_Object], entry: Path, bound: int, uri: str) -> None:
    """Fetch into a folder beside the entry, and give it the name of the entry when all is there."""
    part = Path(tempfile.mkdtemp(prefix="part-", dir=entry.parent))
    try:
        total = 0
        for one in objects:
            target = part / "data" / one.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with answering(uri), _reading(store, one.key) as stream, target.open("wb") as out:
                while chunk := stream.read(_STEP):
                    total += len(chunk)
                    if total > bound:
                        got = "more than its size was said to be"
                        raise SourceError(
                            f"at most {bound / 1e9:,.1f} GB", got, shown_uri(uri), f"Set {_LIMIT}."
                        )
                    out.write(chunk)
                if one.size is not None and out.tell() != one.size:
                    got = f"{out.tell():,} of {one.size:,} bytes of {one.name!r}"
                    raise SourceError("the whole object", got, shown_uri(uri), "Try again.")
        if entry.exists():  # fetched by another process meanwhile, or of a version that nobody tells
            shutil.rmtree(entry, ignore_errors=True)
        part.replace(entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _reading(store: Any, key: str) -> Iterator[Any]:
    # read once, from front to back: a web server need not know how to start in the middle
    web = "http" in getattr(store, "protocol", ())
    stream = store.open(key, "rb", block_size=0) if web else store.open(key, "rb")
    try:
        yield stream
    finally:
        stream.close()


def _lock(file: IO[bytes], *, exclusive: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # no such locks here
        return not exclusive
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _make_room(place: Path, mine: Path, bound: int) -> None:
    """Remove what was used longest ago, until the cache is within its bound; never what is open."""
    entries = sorted(
        (e for e in place.iterdir() if (e / _LOCK).is_file()),
        key=lambda e: (e / _LOCK).stat().st_mtime,
        reverse=True,
    )
    total = 0
    for entry in entries:
        total += sum(f.stat().st_size for f in entry.rglob("*") if f.is_file())
        if total <= bound or entry == mine:
            continue
        with (entry / _LOCK).open("rb") as lock:
            if _lock(lock, exclusive=True):
                shutil.rmtree(entry, ignore_errors=True)
