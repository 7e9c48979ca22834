"""Arrays of Python objects, and arrays that are not what their header says."""

from __future__ import annotations

from collections.abc import Iterator

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.npy_header import read_npy_header

__all__ = ["ArrayObjects"]

_MOST_ARRAYS = 10_000


@artifact_check(
    Card(
        id="array-objects",
        title="a pickle, or bytes too many, in an array file",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="the weights of a model are numbers; an array of Python objects can be read only by unpickling it",
        catches=None,
        misses="what the pickle would do, which the checks of pickles tell; numbers that hold a backdoor",
        effect="none",
        cites="NumPy, NEP 1, A Simple File Format for NumPy Arrays (2007); CVE-2019-6446",
        remedy="Ask for the same array as numbers or fixed-width text; never load it with allow_pickle=True.",
        graded=True,
        reads_order=False,
    )
)
class ArrayObjects(ArtifactCheck):
    """Reads the headers of one or more arrays; never a body."""

    kinds = frozenset({"npy"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield what a header gives away.

        Raises:
            ItemError: no header, or the numbers are cut off.
        """
        with item.open() as stream:
            at = 0
            for _ in range(_MOST_ARRAYS):  # numpy.save may write several to one file
                stream.seek(at)
                if at and stream.read(6) != b"\x93NUMPY":
                    left = item.size - at
                    message = f"{left:,} bytes follow the array and belong to none"
                    yield self.found(item, Severity.SUSPICIOUS, message, rule="TRAILING", byte=at)
                    return
                stream.seek(at)
                header = read_npy_header(stream, item.name)
                if header.objects:
                    message = "an array of Python objects: a pickle, which is read as one by `pickle-code`"
                    yield self.found(
                        item, Severity.INFO, message, rule="OBJECT_ARRAY", byte=at + header.start
                    )
                    return
                at += header.start + header.body
                if at > item.size:
                    reason = (
                        f"shape {header.shape} needs {at - item.size:,} bytes more than there are: cut off?"
                    )
                    raise ItemError(item.name, reason)
                if at == item.size:
                    return
        raise ItemError(item.name, f"more than {_MOST_ARRAYS:,} arrays in one file")
