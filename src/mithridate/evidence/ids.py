"""The ids of all samples, held as bytes: tens of millions of Python strings would take more memory than the rest."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice, pairwise
from typing import overload

__all__ = ["Ids"]

_STRETCH = 4096


class Ids(Sequence[str]):
    """A sequence of texts that grows at its end; about 8 bytes and its own length for each.

    Args:
        listed: the first of them.
    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._letters, self._ends = bytearray(), array("q", [0])
        self.extend(listed)

    def extend(self, ids: Iterable[str]) -> None:
        """Add some at the end."""
        for part in _parts(ids):
            joined, last = "".join(part).encode("utf-8", "surrogatepass"), len(self._letters)
            sizes = list(map(len, part))
            if len(joined) != sum(sizes):  # some letters take several bytes
                sizes = [len(name.encode("utf-8", "surrogatepass")) for name in part]
            self._ends.extend(islice(accumulate(sizes, initial=last), 1, None))
            self._letters += joined

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, item: int) -> str: ...

    @overload
    def __getitem__(self, item: slice) -> list[str]: ...

    def __getitem__(self, item: int | slice) -> str | list[str]:
        if not isinstance(item, slice):
            place = item if item >= 0 else item + len(self)
            if not 0 <= place < len(self):
                raise IndexError(f"expected an index below {len(self)}, got {item}")
            return self._text(self._ends[place], self._ends[place + 1])
        start, stop, step = item.indices(len(self))
        if step != 1:
            return [self[place] for place in range(start, stop, step)]
        ends = self._ends[start : max(stop, start) + 1]
        first, letters = ends[0], self._text(ends[0], ends[-1])
        if len(letters) == ends[-1] - first:  # each letter is one byte
            return [letters[low - first : high - first] for low, high in pairwise(ends)]
        return [self._text(low, high) for low, high in pairwise(ends)]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _STRETCH):
            yield from self[start : start + _STRETCH]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ids) and self._ends == other._ends and self._letters == other._letters

    __hash__ = None  # type: ignore[assignment]  # it grows

    def _text(self, low: int, high: int) -> str:
        return self._letters[low:high].decode("utf-8", "surrogatepass")


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while part := list(islice(rest, _STRETCH)):
        yield part
