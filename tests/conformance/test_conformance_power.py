"""A check finds nine of ten plants drawn by the attacks it claims, and is silent on the clean twins."""

from collections.abc import Iterator
from functools import lru_cache

import pytest
from conformance_data import Plant, clean, evidence_of, examined, holds_poison, poisoned
from conformance_plants import DRAWS, GAPS, PLANTS

from mithridate.checks.base import DATA_CHECKS
from mithridate.core.results import Clear, Finding, NotApplicable, Severity


def claims() -> Iterator[object]:
    """(check, attack, plant) of every claim; those about the same plants run in one process."""
    for attack, plants in PLANTS.items():
        for number, plant in enumerate(plants):
            for kind in DATA_CHECKS:
                card = kind.card
                if attack not in (card.catches or ()) or plant.modality not in card.modalities:
                    continue
                marks = [pytest.mark.xdist_group(f"{attack}-{number}")]
                if (card.id, attack) in GAPS:
                    marks.append(pytest.mark.xfail(reason=GAPS[card.id, attack], strict=False))
                yield pytest.param(
                    card, attack, number, id=f"{card.id}-{attack}-{plant.modality}", marks=marks
                )


@lru_cache(maxsize=1)
def drawn(attack: str, number: int) -> list[tuple[list[Finding], frozenset[str]]]:
    """What all checks find in every draw, and what was planted."""
    plant: Plant = PLANTS[attack][number]
    found = []
    for draw in DRAWS:
        samples, poison = poisoned(attack, plant, draw)
        with evidence_of(samples) as evidence:
            found.append(([r for r in examined(evidence) if isinstance(r, Finding)], poison))
    return found


@pytest.mark.parametrize(("card", "attack", "number"), list(claims()))
def test_plants_are_found(card, attack, number):
    enough = Severity.SUSPICIOUS if card.graded else Severity.INFO
    missed = [
        draw
        for draw, (findings, poison) in zip(DRAWS, drawn(attack, number), strict=True)
        if not any(f.check == card.id and f.severity >= enough and holds_poison(f, poison) for f in findings)
    ]
    assert len(missed) <= 0.1 * len(DRAWS), f"missed in draws {missed}"


@pytest.mark.parametrize("modality", ["image", "text", "table", "audio", "chat"])
@pytest.mark.parametrize("draws", [range(5), range(5, 10)], ids=str)
def test_clean_twins_are_silent_and_leave_a_record(modality, draws):
    for draw in draws:
        with evidence_of(clean(modality, draw)) as evidence:
            results = examined(evidence)
        assert [r for r in results if isinstance(r, Finding) and r.severity > Severity.INFO] == []
        assert {r.check for r in results} == {kind.card.id for kind in DATA_CHECKS}
        for result in results:
            assert isinstance(result, Finding | Clear | NotApplicable)
            said = result.reason if isinstance(result, NotApplicable) else result.limit
            assert said, f"{result.check} leaves a record without saying what it could have found"
