"""How much a scan of files may read, unpack and spend."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ScanLimits"]


@dataclass(frozen=True, kw_only=True)
class ScanLimits:
    """Beyond any of these an item becomes a `Skip` with the reason; nothing is dropped in silence.

    Attributes:
        files: files of a folder that are looked at.
        members: members of one archive.
        items: files and members in total.
        depth: archives inside archives.
        member_bytes: what one packed member may unpack to.
        total_bytes: what all packed members together may unpack to.
        ratio: how many times its packed size a member may unpack to, once it is larger than `ratio_floor`.
        ratio_floor: bytes below which the ratio does not matter.
        directory_bytes: size of the index of one archive.
        opcodes: operations of one pickle; those that take memory count several times.
        nested: pickles, archives and encodings inside the strings of a pickle, in depth.
        seconds: for the walk as a whole.
    """

    files: int = 100_000
    members: int = 100_000
    items: int = 500_000
    depth: int = 8
    member_bytes: int = 4 << 30
    total_bytes: int = 16 << 30
    ratio: float = 200.0
    ratio_floor: int = 64 << 20
    directory_bytes: int = 64 << 20
    opcodes: int = 10_000_000
    nested: int = 4
    seconds: float = 900.0
