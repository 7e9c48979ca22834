"""A finding about sounds is shown as spectrograms and can be heard; what is no sound WAV is not played."""

import base64
import io
import wave

import numpy as np
import pytest

from mithridate.core.results import Finding, Severity
from mithridate.core.sound import Sound
from mithridate.report.exhibits.samples import Sample
from mithridate.report.exhibits.sounds import draw_key, sounds
from mithridate.report.page import environment, recording, sound


def sample(number, seconds=3.0, rate=8000):
    rng = np.random.default_rng(number)
    x = rng.normal(0, 0.05, (int(seconds * rate), 1)).astype(np.float32)
    return Sample(id=str(number), raw=Sound(samples=x, rate=rate), label="<b>one")


DETAILS = {
    "family": "sweep",
    "hz": [1000, 1200],
    "seconds": 0.06,
    "places": {str(i): [900 * i, 0] for i in range(4)},
}


def test_carriers_and_neighbours():
    what, who = draw_key(DETAILS, [sample(i) for i in range(4)], [sample(9), sample(10)])
    assert [e.kind for e in (*what, *who)] == ["gallery", "sounds", "sounds"]
    items = who[0].data["items"]
    assert [i["id"] for i in items] == ["0", "1", "2", "3"]
    with wave.open(io.BytesIO(base64.b64decode(items[0]["wav"]))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 12_000)
    assert all(sound(e) for e in (*what, *who))
    assert len(str(who[0].data)) < 400_000


def test_unheard_short_and_silent():
    silent = Sample(id="s", raw=Sound(samples=np.zeros((1, 2), np.float32), rate=44_100), label=None)
    exhibit = sounds("x", [silent, sample(1)], played=False)
    assert [i["wav"] for i in exhibit.data["items"]] == ["", ""]
    assert sounds("x", []) is None
    assert sounds("x", [silent]).data["items"][0]["wav"]


@pytest.mark.parametrize("bad", [None, "", "%%%", "PHNjcmlwdD4=", "A" * 500_000, '"><script>'])
def test_what_is_no_wav_is_not_played(bad):
    assert recording(bad) is None


def test_the_page_plays_and_escapes():
    (_, who) = draw_key(DETAILS, [sample(i) for i in range(4)], [])
    finding = Finding(
        check="x",
        severity=Severity.LIKELY,
        message="m",
        targets=("0",),
        scores=(1.0,),
        count=1,
        exhibits=tuple(who),
    )
    macros = environment().get_template("macros.html.j2").module
    page = str(macros.evidence(finding))
    assert page.count("<audio controls") == 4
    assert "<b>one" not in page
    base = environment().get_template("base.html.j2").render(style_hash="", style="")
    assert "media-src data:" in base
