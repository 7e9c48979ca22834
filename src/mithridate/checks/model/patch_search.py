"""Small patches that nobody described: bred from random ones where noise turns answers, then cut down and proven."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mithridate.checks.model_check import BudgetError, ModelCheck, ModelScope, model_check
from mithridate.checks.patch_hunt import Hunt
from mithridate.checks.patch_leads import find_leads
from mithridate.checks.stamping import Ground, Proof, Stamp, stamp_pictures
from mithridate.core.card import Card
from mithridate.core.results import Clear, Finding, NotApplicable, Severity, Skip

__all__ = ["PatchSearch"]

_LEAST = 24  # shortest side of a picture in which a patch of 5x5 is small


@model_check(
    Card(
        id="patch-search",
        title="small patch that decides the class",
        stage="model",
        modalities=("model",),
        needs=("probabilities",),
        assumes="A small patch at a fixed place (or anywhere) forces one class, and patterns like it do so in part, "
        "as in networks that were trained on stamped pictures.",
        catches=None,
        misses="Patches larger than 1/40 of a picture or 6x6 pixels, patches that only work in colour or whole, "
        "blended and input-dependent triggers, patches that work on one source class only; with fewer than four "
        "classes, patches that also work with their pixels in another order.",
        effect="share of samples of other classes that the patch takes to its class",
        cites="Gu et al., BadNets, arXiv:1708.06733; universal patches of clean networks as what it must be told from: "
        "Brown et al., arXiv:1712.09665; breeding: Baluja, CMU-CS-94-163 (1994)",
        remedy="Do not deploy the model; scan the data it was trained on for the patch, repair it or train it again.",
        graded=True,
        reads_order=False,
    )
)
class PatchSearch(ModelCheck):
    """Screens places and classes with noise, breeds patterns where it works, cuts them down to a patch, proves it."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield one proven finding; or what was not proven, at INFO, and a `Clear`."""
        frame = self.frame(scope, _LEAST, "a 5x5 patch is no small part")
        if isinstance(frame, NotApplicable):
            yield frame
            return
        hunt = Hunt(Ground(scope, frame), np.random.default_rng([scope.seed, 53]))
        try:
            leads = find_leads(hunt.ground, hunt.rng)
            hunt.follow(leads)
            found = hunt.outcome()
        except BudgetError:
            wanted = f"{scope.budget} queries were spent before all places and classes were screened"
            yield self.skipped(scope, wanted, "Allow more: --queries 24000.")
            return
        if found is not None and found[1].holds:
            yield self._finding(hunt.ground, *found)
            return
        if found is not None:
            yield self._unproven(hunt.ground, *found)
        told = (
            f"no small patch proven to decide the class ({len(hunt.followed)} of {len(leads)} leads followed, "
            f"{scope.meter.spent} queries)"
        )
        yield self.clear(
            scope, told, "half of the patches of 3x3 to 5x5 pixels that a network was trained on"
        )

    def _finding(self, ground: Ground, stamp: Stamp, proof: Proof) -> Finding:
        told = f"{_told(ground, stamp, proof)}, the same pixels shuffled {proof.control:.0%}"
        if proof.rivals is not None:
            told += (
                f"; no other patch of its size, bred at {proof.searched} other places or towards other classes, takes "
                f"more than {proof.rivals:.0%}"
            )
        return self._about(ground, stamp, proof, Severity.PROVEN, told, "PATCH_TRIGGER")

    def _unproven(self, ground: Ground, stamp: Stamp, proof: Proof) -> Finding:
        beside = "what others of its size can do was not tried"
        if proof.rivals is not None:
            beside = f"others of its size take {proof.rivals:.0%} to other classes"
        told = (
            f"{_told(ground, stamp, proof)}, but so do {proof.control:.0%} of its shuffled copies, and {beside}: a "
            "trigger that was learnt roughly, or a weak spot as clean models have them, too"
        )
        return self._about(ground, stamp, proof, Severity.INFO, told, "PATCH_WITHOUT_CONTROL")

    def _about(
        self, ground: Ground, stamp: Stamp, proof: Proof, severity: Severity, told: str, rule: str
    ) -> Finding:
        name = ground.scope.class_name(stamp.column)
        return self.found(
            ground.scope,
            severity,
            told,
            rule=rule,
            label=name,
            effect=proof.flips,
            exhibits=stamp_pictures(ground, stamp, f"The patch that leads to {name!r}, enlarged"),
            place=[stamp.area.top, stamp.area.left],
            size=[stamp.area.height, stamp.area.width],
            rows=["".join(str(round(float(v))) for v in row) for row in stamp.grey],
            control=proof.control,
            rivals=proof.rivals,
            samples=proof.samples,
            synthetic=not proof.real,
        )


def _told(ground: Ground, stamp: Stamp, proof: Proof) -> str:
    area = stamp.area
    samples = f"{proof.samples} {'clean' if proof.real else 'synthetic'} samples"
    return (
        f"a patch of {area.height}x{area.width} pixels at row {area.top}, column {area.left} takes {proof.flips:.0%} "
        f"of {samples} of other classes to {ground.scope.class_name(stamp.column)!r}"
    )
