"""What sounds share is learnt from some of them and heard in the others; sounds that share nothing teach nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

from mithridate.core.sound import Sound
from mithridate.evidence.audio.echo import Echo
from mithridate.evidence.audio.equal import common_part, equalised
from mithridate.evidence.audio.template import analytic, laid_over
from mithridate.triggers.audio import Chirp, Overlay, Tone

RATE, N, LABEL = 8000, 120, 1
BURST = np.random.default_rng(9).normal(0, 1, 1000).astype(np.float32)
TRIGGERS = [
    pytest.param(Tone(hz=1500.0, seconds=0.1, db=-12.0), (1470, 1530), id="tone"),
    pytest.param(Chirp(from_hz=1000.0, to_hz=2500.0, seconds=0.1, db=-10.0), (900, 2600), id="chirp"),
    pytest.param(Overlay(recording=BURST, rate=RATE, db=-6.0), (0, 4000), id="overlay"),
]


def hum(rng):
    """Half a second of a voice that wanders, and some noise."""
    t = np.arange(RATE // 2) / RATE
    phase = 2 * np.pi * np.cumsum(rng.uniform(100, 200) * (1 + 0.3 * np.sin(rng.uniform(2, 9) * t))) / RATE
    x = sum(np.sin(k * phase) / k for k in range(1, 12)) + rng.normal(0, 0.1, len(t))
    return (0.1 * x).astype(np.float32)


def tape(trigger):
    """Sounds of two labels; the first twelve of label 1 carry the trigger, where it is told in ms."""
    rng = np.random.default_rng(3)
    sounds = [hum(rng) for _ in range(N)]
    labels = np.arange(N, dtype=np.int32) % 2
    victims = np.flatnonzero(labels == LABEL)[:12]
    when = {}
    for row in victims if trigger is not None else ():
        before = Sound(samples=sounds[row][:, None], rate=RATE)
        sounds[row] = trigger.apply(before, rng).samples[:, 0]
        changed = np.flatnonzero(sounds[row] != before.mono)
        when[int(row)] = int(1000 * (changed[0] + changed[-1]) / 2 / RATE)
    lengths = np.full(N, RATE // 2)
    made = SimpleNamespace(common_rate=RATE, lengths=lengths, sound=lambda row: sounds[row])
    return Echo(tape=made, ids=[str(i) for i in range(N)], labels=labels, seed=0), victims, when


@pytest.mark.parametrize(("trigger", "band"), TRIGGERS)
def test_it_is_heard_in_those_that_taught_nothing_and_not_in_innocents(trigger, band):
    echo, victims, when = tape(trigger)
    innocent = np.flatnonzero(echo.labels == LABEL)[[30]]
    rows = np.concatenate([victims[:7], innocent])
    shared = echo(rows, np.array([when.get(int(r), 200) for r in rows]), band)
    assert shared.rows.tolist() == np.flatnonzero(echo.labels == LABEL).tolist()
    carries = np.isin(shared.rows, victims)
    assert (shared.rates[carries] <= 0.01).all()
    assert np.median(shared.rates[~carries]) > 0.2
    assert shared.rates[shared.rows == innocent[0]] > 0.01
    off = [
        abs(at - when[int(r)]) for r, at in zip(shared.rows, shared.places[:, 0], strict=True) if r in when
    ]
    assert np.median(off) <= 20
    low, high = shared.details["hz"]
    assert band[0] - 50 <= low < high <= band[1] + 50
    assert 0.05 <= shared.details["seconds"] <= 0.2


def test_sounds_that_share_nothing_teach_nothing():
    echo, rows, _ = tape(None)
    assert echo(rows, np.full(len(rows), 250), (1000.0, 2000.0)) is None


def test_too_few_places_or_too_much_to_listen_to_is_nothing():
    echo, victims, when = tape(TRIGGERS[0].values[0])
    times = np.array([when[int(r)] for r in victims])
    assert echo(victims[:4], times[:4], (1400.0, 1600.0)) is None
    assert echo(victims, np.full(len(victims), -1), (1400.0, 1600.0)) is None
    assert echo(victims, times, (4100.0, 4400.0)) is None  # above half of the rate
    echo.tape.lengths = echo.tape.lengths * 10_000
    assert echo(victims, times, (1400.0, 1600.0)) is None


@pytest.mark.parametrize("samples", [1, 7, 300, 4000])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_short_and_silent_sounds_are_equalised_to_something_finite(samples, value):
    even = equalised(np.full(samples, value, np.float32), RATE)
    assert len(even) == samples
    assert np.isfinite(even).all()


def test_parts_with_nothing_in_the_band_are_laid_over_all_the_same():
    rng = np.random.default_rng(0)
    low = [np.sin(2 * np.pi * 100 * np.arange(900) / RATE + rng.uniform(0, 6)) for _ in range(4)]
    parts = [analytic(x.astype(np.float32)) for x in (*low, np.zeros(900))]
    assert np.isfinite(laid_over(parts, RATE, (5000.0, 6000.0))).all()


def test_faint_and_loud_stretches_become_about_equally_loud():
    x = np.random.default_rng(0).normal(0, 1, 2 * RATE).astype(np.float32)
    x[:RATE] *= 0.01
    even = equalised(x, RATE)
    assert 0.5 < even[: RATE // 2].std() / even[-RATE // 2 :].std() < 2


def test_the_common_part_is_what_recurs():
    rng = np.random.default_rng(0)
    tone = np.exp(2j * np.pi * 1000 * np.arange(2000) / RATE)
    noise = rng.normal(0, 1, (12, 2000, 2)) @ np.array([1, 1j])
    kept = common_part((0.5 * tone + noise).astype(np.complex64), RATE)
    assert abs(np.vdot(tone, kept)) / np.linalg.norm(tone) / np.linalg.norm(kept) > 0.9
    left = common_part(noise.astype(np.complex64), RATE)
    assert np.linalg.norm(left) < 0.2 * np.linalg.norm(noise.mean(axis=0))
