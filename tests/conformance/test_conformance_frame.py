"""What every check keeps, whatever it looks for: batches, shards, order, seeds, gaps, memory, silence."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
from conformance_data import clean, evidence_of, examined, poisoned
from conformance_plants import PLANTS

from mithridate.checks.base import DATA_CHECKS, Scope
from mithridate.core.results import Finding, NotApplicable, Severity
from mithridate.runs.driver import run_checks, scope_of

PLANT_OF = {"image": "patch", "text": "word", "table": "value", "audio": "ultrasonic-tone"}
MODALITIES = list(PLANT_OF)
KINDS = list(DATA_CHECKS)
READS_ORDER = {kind.card.id for kind in KINDS if kind.card.reads_order}


@pytest.fixture(
    scope="module", params=[pytest.param(m, marks=pytest.mark.xdist_group(f"frame-{m}")) for m in MODALITIES]
)
def planted(request):
    """(samples, evidence) with something to find in each modality."""
    attack = PLANT_OF[request.param]
    samples, _ = poisoned(attack, PLANTS[attack][0], 0)
    with evidence_of(samples) as evidence:
        yield samples, evidence


def same(one, other):
    """Equal but for the last digits of floats."""
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert type(a) is type(b)
        if not isinstance(a, Finding):
            assert (a.check, getattr(a, "message", "")) == (b.check, getattr(b, "message", ""))
            continue
        assert (a.check, a.severity, a.count, a.label, a.message) == (
            b.check,
            b.severity,
            b.count,
            b.label,
            b.message,
        )
        assert set(a.accused) == set(b.accused)
        assert np.allclose(a.scores, b.scores, rtol=1e-6, atol=1e-6)
        assert np.isclose(a.effect or 0.0, b.effect or 0.0, rtol=1e-6)
        assert np.isclose(np.log(a.p_value or 1.0), np.log(b.p_value or 1.0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("jobs", "size"), [(1, 7), (1, 100_000), (2, 64), (3, 4096), (3, 7)])
def test_batches_and_shards_do_not_matter(planted, jobs, size):
    same(examined(planted[1]), examined(planted[1], jobs=jobs, size=size))


@pytest.fixture(scope="module")
def chat():
    """(samples, gathered views) with something to find."""
    samples, _ = poisoned("targeted-answer", PLANTS["targeted-answer"][0], 0)
    with evidence_of(samples) as gathered:
        yield samples, gathered


@pytest.mark.parametrize(("jobs", "size"), [(1, 97), (2, 64), (3, 4096)])
def test_batches_and_shards_do_not_matter_to_views(chat, jobs, size):
    found = examined(chat[1])
    same(found, examined(chat[1], jobs=jobs, size=size))
    assert any(isinstance(r, Finding) and r.severity > Severity.INFO for r in found)


def test_order_does_not_matter_to_views(chat):
    def alarms(gathered):
        found = [r for r in examined(gathered) if isinstance(r, Finding) and r.severity > Severity.INFO]
        return {(f.check, f.label, frozenset(f.accused)) for f in found}

    with evidence_of(chat[0].shuffled(1)) as shuffled:
        assert alarms(shuffled) == alarms(chat[1])


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_batch_may_be_one_sample(modality):
    with evidence_of(clean(modality, 0, 60)) as evidence:
        same(examined(evidence), examined(evidence, size=1))


def test_same_seed_same_results(planted):
    with evidence_of(planted[0]) as again:
        same(examined(planted[1]), examined(again))


def test_order_does_not_matter(planted):
    """The same samples are accused by the same checks when the rows are shuffled."""

    def alarms(evidence):
        found = [r for r in examined(evidence) if isinstance(r, Finding) and r.severity > Severity.INFO]
        return {
            (f.check, f.label, f.accused and frozenset(f.accused))
            for f in found
            if f.check not in READS_ORDER
        }

    with evidence_of(planted[0].shuffled(1)) as shuffled:
        assert alarms(shuffled) == alarms(planted[1])
    assert alarms(planted[1])


BARE = {
    "labels": None,
    "classes": (),
    "content": None,
    "tables": {},
    "vectors": {},
    "sketch": None,
    "leave_out": None,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.card.id)
def test_missing_evidence_is_not_applicable(planted, kind):
    bare = replace(planted[1], **BARE)
    missing = set(kind.card.needs) - bare.names
    results = run_checks([kind], bare).results
    assert {r.check for r in results} == {kind.card.id}
    if missing:
        assert all(isinstance(r, NotApplicable) and r.reason for r in results)


def test_nothing_is_printed(planted, capsys):
    examined(planted[1])
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def repeated(evidence, times):
    """The same evidence several times over: more samples, but no new key, class or source."""
    n, tile = len(evidence.ids), lambda a: None if a is None else np.concatenate([a] * times)
    apart = lambda groups: np.concatenate([groups + i * n for i in range(times)])  # noqa: E731
    tables = {
        name: replace(
            table,
            indptr=np.concatenate([[0], *(table.indptr[1:] + i * table.indptr[-1] for i in range(times))]),
            keys=tile(table.keys),
            fresh=tile(table.fresh),
            offsets=None,
            kin=None,
        )
        for name, table in evidence.tables.items()
    }
    content = evidence.content and Tiled(tile(evidence.content.logits), evidence.content.accuracy)
    return replace(
        evidence,
        ids=[f"{i}/{copy}" for copy in range(times) for i in evidence.ids],
        labels=tile(evidence.labels),
        groups=apart(evidence.groups),
        copies=apart(evidence.copies),
        content=content,
        tables=tables,
        vectors={name: tile(array) for name, array in evidence.vectors.items()},
        sketch=None,
        leave_out=None,
    )


class Tiled:
    def __init__(self, logits, accuracy):
        self.logits, self.accuracy = logits, accuracy


class _WithoutScope(pickle.Pickler):
    """What a check knows beforehand is no state of its own."""

    def persistent_id(self, obj):
        return "scope" if isinstance(obj, Scope) else None


def _bytes(held):
    out = io.BytesIO()
    _WithoutScope(out).dump(held)
    return out.tell()


def state(kind, evidence):
    """Bytes of the state that a check holds at the end of each round, before it is merged."""
    check, needs, sizes = kind(scope_of(evidence, 1)), frozenset(kind.card.needs), []
    for _ in range(check.rounds):
        for batch in evidence.batches(needs):
            check.fit(batch)
        sizes.append(_bytes(vars(check)))
        check.advance()
        check.round += 1
    return max(sizes)


#: Checks whose state is bounded only by a constant larger than these data sets, or grows. Empty this table.
GROWING = {
    "row-order": "keeps every conflict, and up to 16,384 stretches of rows",
    "targeted-flips": "keeps every conflict between content and label",
}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.xfail(reason=GROWING[kind.card.id], strict=False))
        if kind.card.id in GROWING
        else kind
        for kind in KINDS
    ],
    ids=[kind.card.id for kind in KINDS],
)
def test_state_does_not_grow_with_samples(planted, kind):
    once, often = repeated(planted[1], 1), repeated(planted[1], 4)
    if not set(kind.card.needs) <= once.names or once.modality not in kind.card.modalities:
        pytest.skip("nothing here for this check")
    if kind(scope_of(once, 1)).applicable() is not None:
        pytest.skip("nothing here for this check")
    assert state(kind, often) <= 1.25 * state(kind, once) + 1000
