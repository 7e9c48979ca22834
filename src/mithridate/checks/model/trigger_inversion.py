"""The smallest patch that takes other samples to a class, learnt by gradients for all classes at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mithridate.checks.bank import FEWEST, Bank, Statistics
from mithridate.checks.inverting import Study, Tried, study_of
from mithridate.checks.model_check import ModelCheck, ModelScope, model_check
from mithridate.core.card import Card
from mithridate.core.errors import ItemError, UsageError
from mithridate.core.results import Clear, Exhibit, Finding, NotApplicable, Severity, Skip
from mithridate.triggers.forms import Form, Patch
from mithridate.triggers.inputs import axes
from mithridate.triggers.pixels import as_png, scaled_to

__all__ = ["TriggerInversion"]

#: share of samples of other classes that a proven trigger takes to its class, at least; as in the other checks.
_FLIPS = 0.9
#: the same for each single class: most of its samples.
_OF_EACH = 0.5
#: samples without which nothing is proven.
_FEWEST = 20
#: size of a proven trigger at most, beside the geometric mean of the picture and of what half of the classes need. Of
#: 46 clean networks, the one with the smallest such patch had twice the product of both shares.
_SMALL = 1 / 16
#: classes from which on their triggers tell what is usual; of two, one is easy to reach in honest models, too.
_CLASSES = 4
#: share of a picture below which a trigger is worth telling although it proves nothing.
_TOLD = 1 / 25
#: how much larger than the trigger a patch of a clean model may be and still take the proof away.
_NEAR = 1.25
#: p-value of a comparison with clean models from which on a model is called unlike them: 1 clean model in 20.
_RARE = 0.05
_LEAST = 16  # shortest side of a picture
_SHOWN = 96  # longest edge of a picture in a report


@model_check(
    Card(
        id="trigger-inversion",
        title="small trigger that decides the class",
        stage="model",
        modalities=("model",),
        needs=("graph", "gradients"),
        assumes="One change, the same for all samples, takes samples of every other class to one class, and is much "
        "smaller than what most classes need.",
        catches=None,
        misses="Triggers that differ from sample to sample, triggers of one source class, blended and warped ones "
        "where no bank of clean models is given, patches larger than a sixteenth of the geometric mean of the picture "
        "and of what half of the classes need; without clean samples, or with fewer than four classes, nothing is "
        "proven.",
        effect="share of held-out samples of other classes that the patch takes to its class",
        cites="Wang et al., Neural Cleanse, IEEE S&P 2019; Shen et al., K-Arm, arXiv:2102.05123; conformal p-values: "
        "Vovk, Gammerman, Shafer 2005, chapter 2",
        remedy="Do not deploy the model; repair it, or train it again on data that was scanned for the trigger.",
        graded=True,
        reads_order=False,
    )
)
class TriggerInversion(ModelCheck):
    """Learns a patch for each class, tries it on samples it was not learnt on, compares with the other classes."""

    def examine(self, scope: ModelScope) -> Iterator[Finding | Skip | Clear | NotApplicable]:
        """Yield a proven trigger, or at INFO one that proves nothing; a comparison with clean models where given."""
        lacks = _lacks(scope)
        if lacks and scope.bank is not None:  # the user asked for a comparison
            remedy = (
                "Give the model's file, with pictures of 16 pixels or more as inputs; or leave out --bank."
            )
            yield self.skipped(scope, f"it was not compared with the bank: {lacks}", remedy)
            return
        if lacks:
            yield NotApplicable(check=self.card.id, reason=lacks)
            return
        try:
            study = study_of(scope)
            study.refuse_endless_search()
        except UsageError as error:
            yield self.skipped(scope, str(error), error.remedy)
            return
        except ItemError as error:
            remedy = (
                "Export the model as ONNX with ordinary operators of float32; allow more time with --minutes."
            )
            yield self.skipped(scope, str(error), remedy)
            return
        patches = study.tried("patch", study.aims)
        results = [*self.patch(study, patches), *self._against_bank(study, patches)]
        yield from results
        if not any(isinstance(r, Finding) and r.severity > Severity.INFO for r in results):
            limit = f"a patch of {_largest(study, patches):.0f} pixels that takes every class to one"
            yield self.clear(scope, "no small patch was proven to decide the class", limit)

    def patch(self, study: Study, patches: Sequence[Tried]) -> Iterator[Finding]:
        """What the smallest of the patches learnt for all aims says."""
        scope, pixels = study.scope, float(np.prod(study.shape[1:]))
        best = min((t for t in patches if t.flips >= _FLIPS), key=lambda t: t.found.size, default=None)
        if best is None or best.found.size > _TOLD * pixels:
            return
        size = best.found.size
        median = float(np.median([t.found.size for t in patches if t is not best]))
        clean = _in_bank(study)
        small = size <= _largest(study, [t for t in patches if t is not best]) and best.least >= _OF_EACH
        # Made-up samples are far from what honest models know: small patches move them in clean models too.
        proven = small and study.real and best.samples >= _FEWEST and (clean is None or clean > _NEAR * size)
        proven = proven and sum(t.found.aim.target is not None for t in patches) >= _CLASSES
        target = best.found.aim.target
        name = "any other" if target is None else repr(scope.class_name(target))
        kind = "held-out clean" if study.real else "synthetic"
        told = (
            f"a patch of {size:.1f} of {pixels:.0f} pixels takes {best.flips:.0%} of {best.samples} {kind} samples of "
            f"other classes to class {name}, at least {best.least:.0%} of each; half of the classes need "
            f"{median:.0f} pixels or more"
        )
        if not proven:
            told += "; honest models have such patches too, so that this is indicative only"
        yield self.found(
            scope,
            Severity.PROVEN if proven else Severity.INFO,
            told,
            rule="SMALL_TRIGGER" if proven else "SMALL_PATCH",
            label=None if target is None else scope.class_name(target),
            effect=best.flips,
            exhibits=_pictures(study, best),
            size=round(size, 2),
            median=round(median, 1),
            least=round(best.least, 3),
            samples=best.samples,
            synthetic=not study.real,
            sizes={_aim(scope, t): round(t.found.size, 2) for t in patches},
        )

    def _against_bank(self, study: Study, patches: Sequence[Tried]) -> Iterator[Finding | Skip]:
        scope = study.scope
        if scope.bank is None and scope.keep is None:
            return
        statistics = study.statistics(patches)
        if scope.keep is not None:
            scope.keep(statistics)
        if scope.bank is None:
            return
        p_value = scope.bank.p_value(statistics)
        if p_value is None:
            yield self.skipped(scope, *_no_family(scope.bank, statistics))
            return
        if p_value > _RARE:
            count = _ranked(scope.bank, statistics)
            if (count + 1) * _RARE < 1:
                got = f"{count} models of the bank have enough like them; {1 / _RARE - 1:.0f} can tell what is rare"
                yield self.skipped(scope, got, "Add clean models: mithridate scan MODEL --bank-add FILE.")
            return
        peers = len(scope.bank.family(statistics))
        told = f"some class is reached by smaller changes than in {peers} clean models of its kind (p = {p_value:.3g})"
        finding = self.found(
            scope, Severity.LIKELY, told, rule="UNLIKE_CLEAN_MODELS", score=scope.bank.score(statistics)
        )
        yield replace(finding, p_value=p_value)


def _largest(study: Study, others: Sequence[Tried]) -> float:
    """Pixels that a proven trigger covers at most, beside those of other classes."""
    median = np.median([t.found.size for t in others])
    return float(_SMALL * np.sqrt(np.prod(study.shape[1:]) * median))


def _lacks(scope: ModelScope) -> str:
    """Why no patch can be learnt; "" where one can."""
    if scope.differentiable is None:
        return "the model can only be asked, it has no gradients here"
    try:
        rows, _ = axes(scope.shape, scope.layout)
    except UsageError:
        return f"inputs of shape {scope.shape} are no pictures"
    small = min(scope.shape[rows : rows + 2]) < _LEAST
    return f"no patch is a small part of inputs {scope.shape}" if small else ""


def _no_family(bank: Bank, model: Statistics) -> tuple[str, str]:
    """Why a bank says nothing of a model, and what to do."""
    alike = len(bank.family(model))
    told = f"the bank has {alike} models of {model.family}, it takes {FEWEST}"
    older = sum(m.family == model.family for m in bank.members) - alike
    if older:
        told += f"; {older} more were added by a version that looked for other triggers"
        return told, "Add these again: mithridate scan MODEL --bank-add FILE."
    return told, "Add clean models of the same task: mithridate scan MODEL --bank-add FILE."


def _ranked(bank: Bank, model: Statistics) -> int:
    """How many members have a family large enough to be judged by, and so a rank beside the model's."""
    return sum(len(bank.family(m)) - 1 + m.same_kind(model) >= FEWEST for m in bank.members)


def _in_bank(study: Study) -> float | None:
    """The smallest patch of a clean model of the family; None where there is none."""
    bank = study.scope.bank
    members = () if bank is None else bank.members
    sizes = [m.sizes["patch"] for m in members if m.family == study.family and "patch" in m.sizes]
    return min((min(of_one) for of_one in sizes), default=None)


def _aim(scope: ModelScope, tried: Tried) -> str:
    target = tried.found.aim.target
    return "any other" if target is None else scope.class_name(target)


def _pictures(study: Study, tried: Tried) -> tuple[Exhibit, ...]:
    """The trigger on black, enlarged; and samples before and after."""
    import torch

    form = study.form("patch")
    if not isinstance(form, Patch):
        return ()
    mask, pattern = form.parts(tried.found.parameters)
    shown = form.low + mask * (pattern - form.low)
    title = "The trigger: how much of each pixel is replaced, and by what"
    alone = Exhibit(kind="image", title=title, data={"png": _png(form, shown[0]), "scale": 1})
    rows = study.hold.rows(tried.found.aim)[:3]
    before = study.hold.x[rows]
    after = form.put(tried.found.parameters, before[None])[0]
    with torch.no_grad():
        said = study.ask(after).argmax(1).tolist()
    items = []
    for k, was in enumerate(study.hold.y[rows].tolist()):
        for x, column in ((before[k], was), (after[k], said[k])):
            items.append({"id": "", "png": _png(form, x), "caption": study.scope.class_name(column)})
    return alone, Exhibit(kind="gallery", title="Samples without and with the trigger", data={"items": items})


def _png(form: Form, x: Any) -> str:
    """(c, h, w) as PNG, enlarged by whole factors or made smaller."""
    assert isinstance(form, Patch)
    levels = 255 * (x.detach().numpy() - form.low) / (form.high - form.low)
    picture = np.rint(levels.clip(0, 255)).astype(np.uint8).transpose(1, 2, 0)
    picture = picture if picture.shape[2] in (1, 3) else picture[..., :1]
    longest = max(picture.shape[:2])
    if longest > _SHOWN:
        height, width = (max(1, side * _SHOWN // longest) for side in picture.shape[:2])
        return as_png(scaled_to(picture, height, width))
    times = _SHOWN // longest
    return as_png(picture.repeat(times, axis=0).repeat(times, axis=1))
