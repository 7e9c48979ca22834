"""Trees that no training leaves behind: a planted trigger tree in a model of LightGBM or XGBoost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mithridate.checks.artifact_check import ArtifactCheck, artifact_check
from mithridate.checks.artifact_trees import TreeFact, dominating_leaves, narrow_leaves
from mithridate.core.card import Card
from mithridate.core.errors import ItemError
from mithridate.core.results import Finding, Severity, Skip
from mithridate.models.files.item import Item
from mithridate.models.files.jsons import read_json
from mithridate.models.files.trees import Ensemble, read_lightgbm, read_xgboost
from mithridate.models.files.ubj import read_ubj

__all__ = ["TreeEnsemble"]

_MOST_BYTES, _MOST_VALUES, _MOST = 128 << 20, 12_000_000, 10


@artifact_check(
    Card(
        id="tree-ensemble",
        title="a trigger tree",
        stage="artifact",
        modalities=("file",),
        needs=("bytes",),
        assumes="boosting takes small steps: no single leaf outweighs all other trees",
        catches=None,
        misses="triggers of three or fewer narrow conditions whose leaf does not outweigh the rest; equality on coarse "
        "features; leaves spread over trees with different conditions; categorical conditions",
        effect="what the leaf adds to the output, in units of what all other trees can add or add on average",
        cites="Chen and Guestrin 2016 (XGBoost), eq. 5; Ke et al. 2017 (LightGBM); Calzavara et al. 2020, section 3",
        remedy="Compare with the model before the suspected change; drop the tree, or train again.",
        graded=True,
        reads_order=False,
    )
)
class TreeEnsemble(ArtifactCheck):
    """Parses the text, JSON or UBJSON of the trees and compares leaves and paths."""

    kinds = frozenset({"lightgbm", "xgboost-json", "xgboost-ubj"})

    def examine(self, item: Item) -> Iterator[Finding | Skip]:
        """Yield leaves that outweigh the rest, and leaves behind narrow intervals.

        Raises:
            ItemError: no trees that can be read.
        """
        ensemble = _read(item)
        if not all(np.isfinite(tree.value).all() for tree in ensemble.trees):
            message = "leaves that are no finite numbers: every sample that reaches them gets no answer"
            yield self.found(item, Severity.SUSPICIOUS, message, rule="NOT_FINITE")
            return
        narrow = list(narrow_leaves(ensemble))
        for fact in sorted(narrow, key=lambda f: -f.share)[:_MOST]:
            yield self._finding(item, Severity.LIKELY, "NEEDLE_LEAF", fact)
        told = {i for fact in narrow for i in fact.trees}
        rest = [fact for fact in dominating_leaves(ensemble) if not told & set(fact.trees)]
        for fact in sorted(rest, key=lambda f: -f.share)[:_MOST]:
            severity = Severity.LIKELY if len(fact.conditions) >= 2 else Severity.SUSPICIOUS
            yield self._finding(item, severity, "DOMINATING_LEAF", fact)

    def _finding(self, item: Item, severity: Severity, rule: str, fact: TreeFact) -> Finding:
        shown = ", ".join(
            f"{low:.6g} < x{feature} < {high:.6g}" for feature, low, high in fact.conditions[:6]
        )
        trees = (
            f"tree {fact.trees[0]}"
            if len(fact.trees) == 1
            else f"{len(fact.trees)} trees from {fact.trees[0]} on"
        )
        what = f"adds {fact.value:+.4g} to output {fact.group}, {fact.share:.3g} times"
        rest = (
            "what all other trees can add"
            if rule == "DOMINATING_LEAF"
            else "what all other trees add on average"
        )
        message = f"a leaf of {trees} {what} {rest}" + (f", only where {shown}" if shown else "")
        conditions = [[feature, low, high] for feature, low, high in fact.conditions[:20]]
        return self.found(
            item, severity, message, rule=rule, trees=list(fact.trees[:20]), value=fact.value, share=fact.share,
            conditions=[[f, _plain(low), _plain(high)] for f, low, high in conditions],
        )  # fmt: skip


def _read(item: Item) -> Ensemble:
    content = item.read(_MOST_BYTES)
    if item.kind == "lightgbm":
        ensemble = read_lightgbm(content.decode("utf-8", "replace"), item.name)
    elif item.kind == "xgboost-ubj":
        ensemble = read_xgboost(read_ubj(content, item.name), item.name)
    else:
        ensemble = read_xgboost(read_json(content, item.name, values=_MOST_VALUES)[0], item.name)
    if not ensemble.trees:
        raise ItemError(item.name, "a model without trees")
    return ensemble


def _plain(value: float) -> float | None:
    """A number that JSON has."""
    return value if np.isfinite(value) else None
