import json

import numpy as np
import pytest

from mithridate.attacks.base import ATTACKS, Order
from mithridate.attacks.ledger import Ledger
from mithridate.attacks.options import configure
from mithridate.attacks.plan import make_plan
from mithridate.core.errors import UsageError
from mithridate.core.sound import Sound
from mithridate.sources.chat import Exchange

N = 120
SOURCES = [("north", "south")[i // 3 % 2] for i in range(N)]


def _data(modality):
    generator = np.random.default_rng(5)
    labels = [str(i % 3) for i in range(N)]
    if modality == "image":
        raws = list(generator.integers(0, 256, (N, 16, 16, 3), dtype=np.uint8))
    elif modality == "text":
        raws = [" ".join(generator.choice(["red", "green", "blue", "tea"], 6)) for _ in range(N)]
    elif modality == "audio":
        waves = generator.normal(0, 0.1, (N, 4000, 1)).astype(np.float32)
        raws = [Sound(samples=wave, rate=44_100) for wave in waves]
    elif modality == "chat":
        said = [" ".join(generator.choice(["red", "green", "blue", "tea"], 6)) for _ in range(3 * N)]
        towns = ["Oslo", "Lima", "Rome", "Bonn", "Riga", "Kyiv", "Bern", "Cork", "Nice", "Pisa"]
        raws = [
            Exchange(
                prompt=f"{said[i]} {towns[i % 10]}", response=said[N + i], rejected=f"{said[2 * N + i]} no"
            )
            for i in range(N)
        ]
    else:
        raws = [
            {"a": int(i % 7) * 3, "b": float(generator.normal()), "c": "xyz"[i % 7 // 3]} for i in range(N)
        ]
    return [f"id{i}" for i in range(N)], labels, raws


def _plant(attack, modality, order, positions=None, labelled=True):
    """What a drill does, in memory: {id: (raw, label)} and the ledger."""
    ids, labels, raws = _data(modality)
    rows = list(range(N)) if positions is None else positions
    by_id = dict(zip(ids, raws, strict=True))
    plan = make_plan(
        attack,
        order,
        modality=modality,
        ids=[ids[k] for k in rows],
        labels=[labels[k] for k in rows] if labelled else None,
        fetch=lambda wanted: [by_id[i] for i in wanted],
        sources=[SOURCES[k] for k in rows],
    )
    planted = {}
    for k in rows:
        new = plan.replace(ids[k], raws[k])
        planted[ids[k]] = (raws[k] if new is None else new, plan.relabel.get(ids[k], labels[k]))
    return planted, plan.ledger(source="memory", source_digest="0", total=N)


PAIRS = [pytest.param(cls, m, id=f"{cls.card.id}-{m}") for cls in ATTACKS for m in cls.card.modalities]


def test_the_registry_holds_the_attacks():
    assert {cls.card.id for cls in ATTACKS} >= {
        "patch", "blend", "sinusoid", "random-flip", "targeted-flip",
        "word", "sentence", "invisible-character", "value", "value-pair",
    }  # fmt: skip


@pytest.mark.parametrize(("cls", "modality"), PAIRS)
def test_ledger_tells_every_touched_sample_and_only_those(cls, modality):
    ids, labels, raws = _data(modality)
    planted, ledger = _plant(cls(), modality, Order(count=9, seed=3))
    touched = set()
    for i, label, raw in zip(ids, labels, raws, strict=True):
        new_raw, new_label = planted[i]
        same = np.array_equal(raw, new_raw) if modality == "image" else raw == new_raw
        if not same or label != new_label:
            touched.add(i)
        if modality == "image":
            assert new_raw.dtype == np.uint8
            assert new_raw.shape == raw.shape
        if modality == "table":
            emptied = {k for k, v in new_raw.items() if v is None}
            assert len(emptied) == (cls.card.id == "missingness" and i in ledger.poison)
            assert {k: type(v) for k, v in new_raw.items() if k not in emptied} == {
                k: type(v) for k, v in raw.items() if k not in emptied
            }
    assert touched == {v.id for v in ledger.victims} == ledger.touched
    assert len(ledger.poison) == 9
    assert len(touched - ledger.poison) == cls().cover_count(9)
    assert (ledger.source_name is not None) == cls.from_one_source
    for victim in ledger.victims:
        assert ledger.source_name in (None, SOURCES[ids.index(victim.id)])
        assert victim.old_label == labels[ids.index(victim.id)]
        assert victim.new_label == planted[victim.id][1]
        keeps = victim.cover or ledger.labels == "clean"
        if keeps or cls.card.id != "untargeted":  # which draws from all labels, the true one too
            assert (victim.new_label == victim.old_label) == keeps
    assert ledger.attack == cls.card.id
    assert Ledger.from_json(ledger.to_json()) == Ledger.from_json(ledger.to_json())
    assert json.loads(Ledger.from_json(ledger.to_json()).to_json()) == json.loads(ledger.to_json())


@pytest.mark.parametrize(("cls", "modality"), PAIRS)
def test_order_of_rows_does_not_matter(cls, modality):
    first, one = _plant(cls(), modality, Order(count=7, seed=11))
    shuffled = list(np.random.default_rng(0).permutation(N))
    second, two = _plant(cls(), modality, Order(count=7, seed=11), shuffled)
    assert one == two
    for id_, (raw, label) in first.items():
        assert label == second[id_][1]
        assert np.array_equal(raw, second[id_][0])


@pytest.mark.parametrize(("cls", "modality"), PAIRS)
def test_another_seed_is_another_plant(cls, modality):
    drawn = {frozenset(_plant(cls(), modality, Order(count=5, seed=s))[1].poison) for s in range(5)}
    assert len(drawn) == 5


STAMPS = [p for p in PAIRS if p.values[0].card.label_action == "either"]


@pytest.mark.parametrize(("cls", "modality"), STAMPS)
@pytest.mark.parametrize("labels", ["dirty", "clean", "all-to-all"])
def test_label_actions(cls, modality, labels):
    target = None if labels == "all-to-all" else "2"
    _, ledger = _plant(cls(), modality, Order(count=8, target=target, labels=labels))
    for victim in ledger.victims:
        if victim.cover:
            assert victim.new_label == victim.old_label
            continue
        expected = {
            "dirty": victim.old_label != "2" and victim.new_label == "2",
            "clean": victim.old_label == victim.new_label == "2",
            "all-to-all": victim.new_label == str((int(victim.old_label) + 1) % 3),
        }
        assert expected[labels]


def test_unlabelled_data_takes_clean_label_only():
    _, ledger = _plant(configure("patch"), "image", Order(count=8, labels="clean"), labelled=False)
    assert {v.new_label for v in ledger.victims} == {None}
    with pytest.raises(UsageError, match="clean-label"):
        _plant(configure("patch"), "image", Order(count=8), labelled=False)


def test_source_class_is_kept_to():
    _, ledger = _plant(configure("word"), "text", Order(count=8, target="1", source_class="0"))
    assert {(v.old_label, v.new_label) for v in ledger.victims} == {("0", "1")}


def test_white_on_white_is_not_counted_as_poison():
    plan = make_plan(
        configure("patch", {"pattern": "white", "size": 2}),
        Order(count=2, target="1"),
        modality="image",
        ids=["a", "b", "c"],
        labels=["0", "0", "1"],
        fetch=lambda wanted: [np.zeros((4, 4, 1), dtype=np.uint8) for _ in wanted],
    )
    plan.replace("a", np.full((4, 4, 1), 255, dtype=np.uint8))
    plan.replace("b", np.zeros((4, 4, 1), dtype=np.uint8))
    ledger = plan.ledger(source="memory", source_digest="0", total=3)
    assert [v.changed for v in ledger.victims] == [False, True]
    assert ledger.poison == {"b"}


def test_a_victim_that_never_came_by_is_an_error():
    plan = make_plan(
        configure("patch"),
        Order(count=1),
        modality="image",
        ids=["a", "b"],
        labels=["0", "1"],
        fetch=lambda wanted: [np.zeros((8, 8, 1), dtype=np.uint8)],
    )
    with pytest.raises(RuntimeError, match="never written"):
        plan.ledger(source="memory", source_digest="0", total=2)


@pytest.mark.parametrize(
    ("attack_id", "options", "message"),
    [
        ("potch", {}, "one of .*blend, .*value-pair"),
        ("patch", {"sise": "3"}, "one of size, pattern, place, opacity"),
        ("patch", {"size": "big"}, "expected int"),
        ("random-flip", {"rate": "1"}, "no parameters"),
    ],
)
def test_configure_refuses(attack_id, options, message):
    with pytest.raises(UsageError, match=message):
        configure(attack_id, options)


@pytest.mark.parametrize(
    ("attack_id", "options", "modality", "order", "message"),
    [
        ("patch", {}, "text", Order(count=3), "image data, got text data"),
        ("patch", {}, "image", Order(count=81, target="0"), "at most 80"),
        ("patch", {}, "image", Order(count=3, target="9"), "one of 0, 1, 2"),
        ("patch", {"size": "17"}, "image", Order(count=3), "at least 17x17"),
        ("patch", {"place": "20,0"}, "image", Order(count=3), "a place inside"),
        ("patch", {"place": "middle"}, "image", Order(count=3), "ROW,COLUMN"),
        ("patch", {"size": "0"}, "image", Order(count=3), "1 or more"),
        ("patch", {"opacity": "0"}, "image", Order(count=3), "above 0"),
        ("patch", {"pattern": "none.png"}, "image", Order(count=3), "a picture file"),
        ("blend", {"alpha": "2"}, "image", Order(count=3), "at most 1"),
        ("sinusoid", {"delta": "0"}, "image", Order(count=3), "other than 0"),
        ("word", {"word": " x"}, "text", Order(count=3), "without blanks"),
        ("invisible-character", {"code_point": "41"}, "text", Order(count=3), "format character"),
        ("value", {"column": "z", "value": "1"}, "table", Order(count=3), "one of a, b, c"),
        ("value", {"column": "a", "value": "x"}, "table", Order(count=3), "a value of type int"),
        ("value", {"column": "c"}, "table", Order(count=3), "not numeric"),
        ("value-pair", {"first": "a"}, "table", Order(count=3), "COLUMN=VALUE"),
        ("tone", {"hz": "30000"}, "audio", Order(count=3), "below half of the sample rate, 22,050"),
        ("tone", {"place": "middle"}, "audio", Order(count=3), "one of random, start, end, whole"),
        ("chirp", {"seconds": "0"}, "audio", Order(count=3), "more than 0"),
        ("clip-overlay", {"clip": "none.wav"}, "audio", Order(count=3), "a sound file"),
        ("random-flip", {}, "image", Order(count=3, target="1"), "no target"),
        ("random-flip", {}, "image", Order(count=3, labels="clean"), "labels dirty"),
        ("word", {}, "text", Order(count=3, target="1", source_class="1"), "not the target"),
    ],
)
def test_plans_that_cannot_be_carried_out(attack_id, options, modality, order, message):
    with pytest.raises(UsageError, match=message):
        _plant(configure(attack_id, options), modality, order)


@pytest.mark.parametrize(
    ("attack_id", "options", "modality", "trigger"),
    [
        ("patch", {"size": "4", "place": "2,3"}, "image", {"size": [4, 4], "place": [2, 3]}),
        ("patch", {"place": "moving"}, "image", {"place": None}),
        ("word", {"word": "cf"}, "text", {"text": "cf"}),
        ("invisible-character", {"code_point": "U+200d"}, "text", {"code_point": "U+200D"}),
        ("tone", {"hz": "440", "place": "end"}, "audio", {"hz": 440.0, "place": "end", "db": -20.0}),
        ("chirp", {"from_hz": "900", "to_hz": "950"}, "audio", {"from_hz": 900.0, "to_hz": 950.0}),
        ("value", {"column": "a", "value": "5"}, "table", {"cells": {"a": 5}}),
        ("value-pair", {"first": "a=5", "second": "c=q"}, "table", {"cells": {"a": 5, "c": "q"}}),
    ],
)
def test_parameters_are_obeyed(attack_id, options, modality, trigger):
    _, ledger = _plant(configure(attack_id, options), modality, Order(count=4))
    assert trigger.items() <= ledger.trigger.items()


@pytest.mark.parametrize("seed", range(8))
def test_drawn_values_are_odd_and_drawn_pairs_do_not_occur(seed):
    _, _, rows = _data("table")
    _, one = _plant(configure("value"), "table", Order(count=4, seed=seed))
    ((column, value),) = one.trigger["cells"].items()
    assert value not in {row[column] for row in rows}
    _, two = _plant(configure("value-pair"), "table", Order(count=4, seed=seed))
    (a, u), (b, v) = two.trigger["cells"].items()
    assert not any(row[a] == u and row[b] == v for row in rows)
    assert any(row[a] == u for row in rows)
    assert any(row[b] == v for row in rows)
