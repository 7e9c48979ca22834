"""The kinds of data sets that `open_source` reads: one file each, and this table.

To add a kind: a file with a `KIND` that says how it is told and opens it, and a line here. The first kind that says
yes gets the data, so what is told by more stands before what is told by less.
"""

from __future__ import annotations

from mithridate.sources.kinds import (
    array_files,
    arrays,
    arrow,
    delimited,
    files,
    huggingface,
    jsonl,
    parquet,
    shards,
    sounds,
    tables,
    texts,
)
from mithridate.sources.kinds.kind import Kind

__all__ = ["KINDS"]

KINDS: tuple[Kind, ...] = (
    array_files.KIND,
    delimited.KIND,
    arrow.KIND,
    parquet.KIND,
    shards.KIND,
    jsonl.KIND,
    files.KIND,  # what every other folder is
    sounds.KIND,
    huggingface.KIND,
    arrays.KIND,
    texts.KIND,
    tables.KIND,  # what every other object is
)
