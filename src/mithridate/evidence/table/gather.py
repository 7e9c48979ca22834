"""Evidence about a table: exact duplicates, a content model on values and bins, and the key families."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mithridate.core.batch import BadItem, Source
from mithridate.evidence.content.fit import fit_content
from mithridate.evidence.content.logistic import LinearContent, assign_folds
from mithridate.evidence.duplicates import copy_groups
from mithridate.evidence.incidence import Incidence, Limits, Stretch, build
from mithridate.evidence.neighbours import SparseNearest
from mithridate.evidence.roll import Gathered
from mithridate.evidence.stages import Stages, load_record, save_record
from mithridate.evidence.table import families
from mithridate.evidence.table.columns import Column, read_columns
from mithridate.evidence.table.encoding import Encoding, coarse_cells, encode
from mithridate.evidence.view import Evidence, KeyTable

__all__ = ["gather_table"]

_COST = 2.0
_EPOCHS = 8
_PAIR_ENTRIES = 60_000_000  # most entries that the pairs of columns may have together


@dataclass(frozen=True, kw_only=True)
class _Table:
    """What the families are built from."""

    columns: list[Column]
    groups: NDArray[np.int64]
    limits: Limits
    encoding: Encoding
    model: LinearContent | None
    folder: Path

    @property
    def n(self) -> int:
        return len(self.groups)

    def build(self, family: str, stretches: Callable[[], Iterable[Stretch]], per_row: int) -> Incidence:
        path = self.folder / family.replace(" ", "-")
        return build(stretches, self.groups, self.limits, path, self.n * per_row)

    def offsets(
        self, incidence: Incidence, cells: list[list[tuple[int, int]]]
    ) -> Callable[[int, int], NDArray[np.float32]] | None:
        """What keys add to the logits, from the (column, code) cells that each is made of."""
        if self.model is None:
            return None
        found = [[self.encoding.parts[column][code] for column, code in key] for key in cells]
        width = max((sum(len(part) for part in key) for key in found), default=1)
        parts = np.full((len(found), width), -1, dtype=np.int64)
        for row, key in enumerate(found):
            together = np.concatenate(key)
            parts[row, : len(together)] = together
        usual = self._usual(self.model.weights)
        stands_in = (
            np.stack([usual[[column for column, _ in key]].sum(axis=0) for key in cells]) if cells else None
        )
        return self.model.offsets(incidence.indptr, incidence.keys, parts, stands_in)

    def _usual(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """(columns, folds, c) mean weight of a column over all rows: what an unknown value is worth."""
        usual = np.zeros((len(self.columns), *weights.shape[1:]), dtype=np.float32)
        for number, (column, parts) in enumerate(zip(self.columns, self.encoding.parts, strict=True)):
            share = np.append(column.counts, column.missing) / max(self.n, 1)
            for part in parts.T:
                usual[number] += np.tensordot(share[part >= 0], weights[part[part >= 0]], axes=1)
        return usual


def gather_table(
    source: Source,
    *,
    store_dir: Path,
    seed: int,
    jobs: int = 1,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> Gathered:
    """Read a table once and derive everything that checks need from what was noted down.

    Args:
        source: yields batches whose `raw` is a pyarrow.Table without label, id and source columns.
        store_dir: folder for files of about 30 bytes per cell; must outlive the evidence.
        seed: decides folds.
        jobs: threads; the result does not depend on it.
        progress: told (stage, done, total or None).

    Returns:
        Evidence with the families "value", "value pair", "missing" and "decimals". `near` of a value
        counts the rows at the ten nearest distinct values of its column; it is -1 for words. The vector
        "cells" holds the columns in coarse form; `decides` says which of them a key fixes.
    """
    columns, roll = read_columns(source, store_dir, progress)
    labels, classes = roll.labels()
    sources, source_names = roll.sources()
    n, kinds = len(roll.ids), max(len(classes), 2)
    groups = copy_groups(_digests(columns, n))
    encoding = encode(columns, n, store_dir)
    model = None
    if labels is not None and len(classes) > 1:
        known, folds = labels, assign_folds(roll.ids, groups, seed)
        model = Stages(store_dir, source, seed).run(
            "content",
            lambda: fit_content(
                encoding.features, known, len(classes), folds, seed=seed, cost=_COST, epochs=_EPOCHS, jobs=jobs,
                progress=lambda done, total: progress("content model", done, total),
            ),
            lambda: load_record(LinearContent, store_dir / "content.npz"),
            lambda fitted: save_record(fitted, store_dir / "content.npz"),
        )  # fmt: skip
    limits = Limits(
        least=max(5, n // 20_000), most=max(n // 10, min(20, n // 2)), keys=max(20_000, 800_000 // kinds)
    )
    table = _Table(
        columns=columns, groups=groups, limits=limits, encoding=encoding, model=model, folder=store_dir
    )
    tables, notes = _tables(table, progress)
    evidence = Evidence(
        modality="table",
        ids=roll.ids,
        labels=labels,
        classes=classes,
        sources=sources,
        source_names=source_names,
        groups=groups,
        copies=groups,
        content=model,
        tables={t.family: t for t in tables if t.size},
        nearest=SparseNearest(features=encoding.features),
        vectors={"cells": coarse_cells(columns, n, store_dir / "table.cells")},
        seed=seed,
    )
    return Gathered(evidence=evidence, bad=(*roll.bad, *_unread(columns)), notes=tuple(notes))


def _unread(columns: list[Column]) -> list[BadItem]:
    """What nothing is known of although it may be what the table is about."""
    if all(c.identifier or len(c.counts) < 2 for c in columns):
        reason = "every column names the rows or is the same in all, so that nothing was examined"
        return [BadItem(id="the table", reason=f"{reason}; texts are named by --text, pictures by --x")]
    reason = "its cells are bytes, lists or records, none like another: nothing in them was examined"
    return [BadItem(id=f"column {c.name!r}", reason=reason) for c in columns if c.identifier and c.opaque]


def _passed_over(column: Column) -> str:
    if column.prose:
        return f"column {column.name!r} is free text, which a table does not read; --text {column.name} does"
    return f"column {column.name!r} names the rows and was ignored"


def _digests(columns: list[Column], n: int) -> NDArray[np.uint64]:
    """(n,) digest of each row's values, identifiers apart."""
    digests = np.zeros(n, dtype=np.uint64)
    for column in columns:
        if not column.identifier:
            mixed = (digests ^ column.codes[:].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            digests = mixed ^ (mixed >> np.uint64(29))
    return digests


def _tables(
    table: _Table, progress: Callable[[str, int, int | None], None]
) -> tuple[list[KeyTable], list[str]]:
    plain = [i for i, c in enumerate(table.columns) if not c.identifier]
    notes = [_passed_over(c) for c in table.columns if c.identifier and not c.opaque]
    most = max(45, min(300, _PAIR_ENTRIES // max(table.n, 1)))
    chosen, left_out = families.wide_pairs(table.columns, table.limits.least, most)
    if left_out:
        notes.append(f"value pairs: only {len(chosen)} pairs of columns; without {', '.join(left_out[:10])}")
    progress("key families", 0, 4)
    values, value_table = _value_table(table)
    progress("key families", 1, 4)
    tables = [value_table, _pair_table(table, chosen, values)]
    progress("key families", 2, 4)
    tables += [_missing_table(table, plain), _decimal_table(table, plain)]
    progress("key families", 4, 4)
    notes += [
        f"{t.family}: least support raised to {t.least}" for t in tables if t.least > table.limits.least
    ]
    return tables, notes


def _value_table(table: _Table) -> tuple[Incidence, KeyTable]:
    columns = table.columns
    # identifiers recur nowhere, so that none of their values reaches the least support
    chosen = table.build("value", lambda: families.values(columns, table.n), len(columns))
    cells = [families.cell(int(key)) for key in chosen.hashes]
    near = [families.near_counts(column) for column in columns]

    def details(key: int) -> Mapping[str, Any]:
        column, code = cells[key]
        return {"family": "value", "cells": {columns[column].name: columns[column].text(code)}}

    return chosen, KeyTable(
        family="value",
        noun="value",
        **chosen.arrays(),
        name=lambda key: _spoken(details(key)),
        details=details,
        offsets=table.offsets(chosen, [[cell] for cell in cells]),
        near=np.array([near[column][code] for column, code in cells], dtype=np.int64),
        decides=lambda key: (cells[key][0],),
    )


def _pair_table(table: _Table, pairs: list[tuple[int, int]], values: Incidence) -> KeyTable:
    columns = table.columns
    found = table.build(
        "all value pairs", lambda: families.pairs(columns, pairs, table.limits.least, table.n), len(pairs)
    )
    alone = {families.cell(int(key)): number for number, key in enumerate(values.hashes)}
    together = [families.pair_cells(int(key), pairs) for key in found.hashes]
    parents = np.array([(alone.get(a, -1), alone.get(b, -1)) for a, b in together], np.int64).reshape(-1, 2)
    # a pair with the carriers of one of its values says nothing that the value does not say
    support = np.append(values.support, 0)  # a parent of -1 has none
    same = support[parents] == found.support[:, None]
    more = ~same.any(axis=1)
    chosen = found.select(more, table.folder / "value-pair", found.least)
    cells = [pair for pair, kept in zip(together, more, strict=True) if kept]

    def details(key: int) -> Mapping[str, Any]:
        named = {columns[column].name: columns[column].text(code) for column, code in cells[key]}
        return {"family": "value pair", "cells": named}

    return KeyTable(
        family="value pair",
        noun="pair of values",
        **chosen.arrays(),
        name=lambda key: _spoken(details(key)),
        details=details,
        offsets=table.offsets(chosen, [list(pair) for pair in cells]),
        decides=lambda key: (cells[key][0][0], cells[key][1][0]),
        parents=("value", parents[more]),
    )


def _missing_table(table: _Table, numbers: list[int]) -> KeyTable:
    columns = [table.columns[i] for i in numbers]
    chosen = table.build("missing", lambda: families.missing(columns, table.n), len(columns))
    places = [numbers[int(key)] for key in chosen.hashes]

    def name(key: int) -> str:
        return table.columns[places[key]].name

    return KeyTable(
        family="missing",
        noun="missing value",
        **chosen.arrays(),
        name=lambda key: f"no {name(key)}",
        details=lambda key: {"family": "missing", "cells": {name(key): ""}},
        offsets=table.offsets(chosen, [[(place, -1)] for place in places]),
        decides=lambda key: (places[key],),
    )


def _decimal_table(table: _Table, numbers: list[int]) -> KeyTable:
    columns = [table.columns[i] for i in numbers]
    chosen = table.build("decimals", lambda: families.decimals(columns, table.n), len(columns))

    def details(key: int) -> Mapping[str, Any]:
        column, places = divmod(int(chosen.hashes[key]), 16)
        return {"family": "decimals", "column": columns[column].name, "decimals": places}

    return KeyTable(
        family="decimals",
        noun="number of decimals",
        **chosen.arrays(),
        name=lambda key: "{column} with {decimals} decimals".format(**details(key)),
        details=details,
        decides=lambda key: (numbers[int(chosen.hashes[key]) // 16],),
    )


def _spoken(details: Mapping[str, Any]) -> str:
    return ", ".join(f"{column} = {value}" for column, value in details["cells"].items())
