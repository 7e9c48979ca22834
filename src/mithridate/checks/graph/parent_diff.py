"""Operators that a model has and its trusted parent does not.

Method: operators are told by what they compute and from what (Weisfeiler-Lehman labels along the flow of values); those
without a match in the parent are named. The cheapest and strongest look at a graph, where there is a parent.
What evades it: changed weights (they are counted, and told), a parent that carries the same mechanism.
"""

from __future__ import annotations

from collections.abc import Iterator

from mithridate.checks.graph_check import NAMED, GraphCheck, GraphScope, described, graph_check
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip
from mithridate.evidence.graph.matching import differ

__all__ = ["ParentDiff"]

_RELATED = 0.5  # share of the parent's operators that have to match for it to be the parent


@graph_check(
    Card(
        id="parent-diff",
        title="operators that the parent does not have",
        stage="graph",
        modalities=("graph",),
        needs=("graph", "parent"),
        assumes="The parent is trusted, and the model was exported in the same way.",
        catches=("trojannet", "compare-override", "ratio-gate", "masked-swap"),
        misses="Changes of weights alone; an export by another version, whose operators differ all over.",
        effect="operators that the parent does not have",
        cites="Shervashidze et al., Weisfeiler-Lehman Graph Kernels, JMLR 12, 2011; ShadowGenes, arXiv:2501.11830",
        remedy="Ask where the added operators come from; use the parent until somebody knows.",
        graded=True,
        reads_order=False,
    )
)
class ParentDiff(GraphCheck):
    """See the module."""

    def examine(self, scope: GraphScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """One finding, or none where the graphs agree."""
        if scope.parent is None:
            yield NotApplicable(check=self.card.id, reason="no trusted parent was named (--parent)")
            return
        found = differ(scope.flow.graph, scope.parent)
        same = f"{found.weights:.1%} of the parent's weights are the same bit for bit"
        if not found.added and not found.missing:
            yield Clear(
                check=self.card.id,
                message=f"{scope.name}: the parent's operators, no other; {same}",
                limit="",
            )
            return
        whole = found.shared + found.missing
        if found.shared < _RELATED * whole:
            message = f"{found.shared} of {whole} of the parent's operators are here: another export, or another model"
            yield self.found(scope, Severity.INFO, f"{message}; {same}", rule="UNRELATED")
            return
        more = f"{len(found.added)} operators that the parent does not have"
        less = f", {found.missing} of the parent's are missing" if found.missing else ""
        yield self.found(
            scope,
            Severity.LIKELY if found.added and not found.missing else Severity.SUSPICIOUS,
            f"{more}{less}; {same}",
            rule="ADDED_OPERATORS",
            effect=float(len(found.added)),
            begins=[node.name for node in found.begins[:NAMED]],
            operators=described(found.added),
        )
