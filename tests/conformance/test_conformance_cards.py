"""Every check and attack has a complete card, and every claim on it can be tested."""

import re
from dataclasses import fields

import pytest
from conformance_plants import PLANTS, UNCLAIMED

from mithridate.attacks.base import ATTACKS
from mithridate.attacks.model_base import MODEL_ATTACKS
from mithridate.checks.base import DATA_CHECKS
from mithridate.checks.catalogue import model_cards

CARDS = [kind.card for kind in (*DATA_CHECKS, *ATTACKS)]
CHECKS = [kind.card for kind in DATA_CHECKS]
MODELS = model_cards()
EVIDENCE = re.compile(r"labels|content|keys|groups|probes|sources|vector:[a-z]+")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_card_is_complete(card):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", card.id)
    assert all(getattr(card, f.name) not in ("", ()) for f in fields(card))
    assert set(card.modalities) <= {"image", "text", "table", "audio", "chat"}
    assert re.search(r"\d{4}", card.cites), "cites names a paper with its year or number"


@pytest.mark.parametrize("card", CHECKS, ids=lambda card: card.id)
def test_check_claims_what_exists(card):
    assert all(EVIDENCE.fullmatch(need) for need in card.needs)
    for attack in card.catches or ():
        assert ATTACKS.get(attack) is not None, f"{card.id} claims {attack!r}, which is no attack"
        assert set(card.modalities) & set(ATTACKS.get(attack).card.modalities)


def test_every_claim_has_a_plant():
    claimed = {attack for card in CHECKS for attack in card.catches or ()}
    assert claimed <= set(PLANTS), "add a plant to conformance_plants.py"


def test_every_attack_is_claimed_by_a_check_or_known_to_be_missed():
    claimed = {attack for card in CHECKS for attack in card.catches or ()}
    unclaimed = {attack.card.id for attack in ATTACKS} - claimed
    assert unclaimed == set(UNCLAIMED), (
        "claim it on a check's card with a plant, or say why nothing claims it"
    )
    assert all(UNCLAIMED.values())


@pytest.mark.parametrize("card", MODELS, ids=lambda card: card.id)
def test_card_of_a_model_check_is_complete(card):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", card.id)
    assert all(getattr(card, f.name) not in ("", ()) for f in fields(card))
    assert {"artifact": ("file",), "graph": ("graph",), "model": ("model",)}[card.stage] == card.modalities
    assert re.search(r"\d{4}", card.cites), (
        "cites names a paper, advisory or specification with its year or number"
    )
    assert all(a in {attack.card.id for attack in (*ATTACKS, *MODEL_ATTACKS)} for a in card.catches or ())


def test_ids_are_unique():
    ids = [card.id for card in (*CARDS, *MODELS)]
    assert len(ids) == len(set(ids))


def test_every_attack_on_models_is_claimed():
    claimed = {attack for card in MODELS for attack in card.catches or ()}
    assert {attack.card.id for attack in MODEL_ATTACKS} <= claimed
