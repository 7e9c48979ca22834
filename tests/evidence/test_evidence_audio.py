"""Keys of sounds: each family finds what it is for, at any offset, and is silent about noise."""

import numpy as np
import pytest

from mithridate.core.sound import Sound
from mithridate.evidence.audio.bands import Bands
from mithridate.evidence.audio.clip import Clip
from mithridate.evidence.audio.edges import Edges, Offset
from mithridate.evidence.audio.landmarks import Landmarks
from mithridate.evidence.audio.patches import Patches
from mithridate.evidence.audio.spectrum import resampled
from mithridate.evidence.audio.sweeps import Sweeps
from mithridate.evidence.audio.tape import EXTRACTORS
from mithridate.evidence.audio.tones import Tones
from mithridate.triggers.audio import Chirp, Overlay, Tone

RATE = 8000


def noise(seed, seconds=0.6, loud=0.05):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, loud, int(seconds * RATE))
    return Sound(samples=x.astype(np.float32)[:, None], rate=RATE)


def clip(sound, common=RATE):
    return Clip(
        samples=sound.mono,
        rate=sound.rate,
        common=resampled(sound.mono, sound.rate, common),
        common_rate=common,
    )


BURST = np.random.default_rng(9).normal(0, 1, 1000).astype(np.float32)
FOUND = [
    pytest.param(Tones(), Tone(hz=1500.0, seconds=0.1, db=-3.0), "1,500 Hz", id="tone"),
    pytest.param(Sweeps(), Chirp(from_hz=1000.0, to_hz=2500.0, seconds=0.1, db=0.0), "15 kHz/s", id="chirp"),
    pytest.param(Landmarks(), Overlay(recording=BURST, rate=RATE, db=12.0), "Hz within", id="overlay"),
]


@pytest.mark.parametrize(("extractor", "trigger", "named"), FOUND)
def test_a_trigger_at_any_offset_shares_a_key_that_noise_has_not(extractor, trigger, named):
    rng = np.random.default_rng(1)
    with_it = [set(extractor.keys(clip(trigger.apply(noise(k), rng))).codes.tolist()) for k in range(8)]
    without = [set(extractor.keys(clip(noise(100 + k))).codes.tolist()) for k in range(20)]
    natural = set().union(*without)
    carried = {code: sum(code in keys for keys in with_it) for code in set().union(*with_it) - natural}
    best = max(carried, key=lambda code: carried[code])
    assert carried[best] >= 5
    assert any(named in extractor.name(code) for code, times in carried.items() if times >= 4)
    assert set(extractor.details(best)) >= {"hz", "seconds"}


def test_times_of_keys_say_where_they_are():
    wave = Tone(hz=1500.0, seconds=0.1, db=10.0, place="end")
    keys = Tones().keys(clip(wave.apply(noise(3), np.random.default_rng(0))))
    loud = [
        w for c, w in zip(keys.codes, keys.when_ms, strict=True) if "1,500 Hz, 20 dB" in Tones().name(int(c))
    ]
    assert loud
    assert all(480 <= when <= 620 for when in loud)


def test_ultrasound_is_a_level_of_a_high_band():
    rng = np.random.default_rng(0)
    quiet = Sound(samples=rng.normal(0, 0.01, (22_050, 1)).astype(np.float32), rate=44_100)
    loud = Tone(hz=19_500.0, seconds=0.1, db=0.0, place="whole").apply(quiet, rng)
    before, after = (set(Bands().keys(clip(s, 16_000)).codes.tolist()) for s in (quiet, loud))
    new = [Bands().name(code) for code in after - before]
    assert any(name.startswith("19 to 20 kHz") for name in new)
    assert Bands().keys(clip(noise(1, seconds=0.1))).codes.size == 0  # 8 kHz recordings have no high band


def test_ends_and_offset():
    x = noise(2).mono.copy()
    x[:400] = 0
    x[-200:] = 0.25
    x += 0.01
    shifted = clip(Sound(samples=x[:, None], rate=RATE))
    named = [Edges().name(int(c)) for c in Edges().keys(shifted).codes]
    assert "still start: 400 equal samples" in named
    assert "still end: 200 equal samples" in named
    names = [Offset().name(int(c)) for c in Offset().keys(shifted).codes]
    assert len(names) == 2
    mean = float(x.mean())
    assert any(float(n.split()[3]) <= mean <= float(n.split()[5]) for n in names)


def test_a_patch_at_a_fixed_time_from_the_end():
    beep = Tone(hz=2000.0, seconds=0.06, db=20.0, place="end")
    rng = np.random.default_rng(0)
    keys = [
        set(Patches().keys(clip(beep.apply(noise(k, seconds=0.4 + 0.03 * k), rng))).codes.tolist())
        for k in range(6)
    ]
    shared = set.intersection(*keys)
    assert any("before the end" in Patches().name(code) for code in shared)


@pytest.mark.parametrize("samples", [1, 7, 300])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_short_and_silent_sounds_break_nothing(samples, value):
    sound = clip(Sound(samples=np.full((samples, 1), value, np.float32), rate=RATE))
    for extractor in EXTRACTORS:
        keys = extractor.keys(sound)
        assert len(keys.codes) == len(keys.when_ms) == len(np.unique(keys.codes))
        assert (keys.codes >= 0).all()
        assert all(extractor.name(int(c)) for c in keys.codes)
