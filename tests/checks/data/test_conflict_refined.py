"""`label-conflict` names who shares what the carriers of a key share; it finds no more and no less than without."""

from dataclasses import replace

import numpy as np
from data_fakes import evidence, run

from mithridate.core.results import Finding
from mithridate.evidence.carriers import Carriers, entries
from mithridate.evidence.view import KeyTable, Shared

N, K = 600, 4
CONTENT = np.arange(N) % K
RNG = np.random.default_rng(0)
VICTIMS = np.sort(RNG.choice(np.flatnonzero(CONTENT != 0), 20, replace=False))
LABELS = np.where(np.isin(np.arange(N), VICTIMS), 0, CONTENT).astype(np.int32)
OWN = np.flatnonzero(LABELS == 0)
CARRIERS = np.sort(np.append(VICTIMS[:14], OWN[~np.isin(OWN, VICTIMS)][:2]))  # two by chance
LOGITS = (6.0 * np.eye(K)[CONTENT] + RNG.normal(0, 0.3, (N, K))).astype(np.float32)


def refine(key, rows):
    assert key == 0
    assert set(rows) <= set(CARRIERS)
    rates = np.where(np.isin(OWN, VICTIMS), 1e-4, 0.4)
    return Shared(
        rows=OWN,
        rates=rates,
        places=np.column_stack([OWN, 0 * OWN]),
        details={"hz": [1.0, 2.0], "seconds": 0.1},
    )


def data(refine):
    groups = np.arange(N)
    found = entries(CARRIERS, np.full(len(CARRIERS), 5, np.uint64), groups, 5, N)
    table = KeyTable(
        family="steady tone", noun="steady tone", indptr=found.indptr, keys=found.keys, fresh=found.fresh,
        size=1, tests=1, least=5, name=lambda key: "1 Hz", details=lambda key: {"hz": [1.0, 1.5]},
        kin=Carriers(found=found, groups=groups), refine=refine,
    )  # fmt: skip
    made = evidence(LABELS, LOGITS, classes=tuple("abcd"))
    return replace(made, tables={"steady tone": table}, leave_out=lambda rows: LOGITS[rows])


def finding(refine, **how):
    [found] = [r for r in run("label-conflict", data(refine), **how) if isinstance(r, Finding)]
    return found


def test_carriers_are_named_where_no_more_is_known():
    found = finding(None)
    assert {int(i[1:]) for i in found.targets} == set(CARRIERS)
    assert found.details["hz"] == [1.0, 1.5]


def test_those_who_share_it_are_named():
    before, found = finding(None), finding(refine)
    assert {int(i[1:]) for i in found.targets} == set(VICTIMS)
    assert found.details["hz"] == [1.0, 2.0]
    assert found.details["places"] == {f"s{i}": [i, 0] for i in VICTIMS.tolist()}
    assert found.innocents < 1
    assert (found.p_value, found.effect, found.label) == (before.p_value, before.effect, before.label)


def test_batches_and_workers_do_not_matter():
    assert finding(refine, size=7, jobs=2).targets == finding(refine).targets


def test_a_key_that_goes_with_no_label_is_not_refined():
    def never(key, rows):
        raise AssertionError("no finding, so nothing to refine")

    honest = replace(data(never), labels=CONTENT.astype(np.int32))
    assert not [r for r in run("label-conflict", honest) if isinstance(r, Finding)]
