"""The doses at which a check that claims an attack must find at least nine of ten draws.

At most 1.5 times what the checks print as their limit on these data sets, or a few samples more where the
limit depends on how well content tells the classes apart.
"""

from conformance_data import Plant

DRAWS = range(10)

PLANTS: dict[str, tuple[Plant, ...]] = {
    "patch": (Plant("image", 24, {"size": 4, "pattern": "random"}),),
    "all-to-all": (Plant("image", 24, {"size": 4, "pattern": "random"}),),
    "untargeted": (Plant("image", 24, {"size": 4, "pattern": "random"}),),
    "tact": (Plant("image", 24, {"size": 4, "pattern": "random"}),),
    "blend": (Plant("image", 40),),
    "sinusoid": (Plant("image", 40),),
    "word": (Plant("text", 12),),
    "sentence": (Plant("text", 20),),
    "invisible-character": (Plant("text", 12),),
    "homoglyph": (Plant("text", 12),),
    "bidi": (Plant("text", 12),),
    "habit": (Plant("text", 20, {"kind": "exclaims"}),),
    "value": (Plant("table", 37),),
    "out-of-range": (Plant("table", 37),),
    "missingness": (Plant("table", 37),),
    "value-pair": (Plant("table", 37),),
    "tone": (Plant("audio", 20),),
    "ultrasonic-tone": (Plant("audio", 20),),
    "chirp": (Plant("audio", 20),),
    "clip-overlay": (Plant("audio", 20),),
    "random-flip": (Plant("text", 20), Plant("table", 20)),
    "targeted-flip": (Plant("text", 40), Plant("table", 40)),
    "margin-flip": (Plant("text", 20), Plant("table", 20)),
    "source-flip": (Plant("table", 20),),
    "denial-of-service": (Plant("chat", 40),),
    "targeted-answer": (Plant("chat", 40),),
    "hidden-answer": (Plant("chat", 40),),
    "preference-flip": (Plant("chat", 24),),
}

#: Claims that do not hold on data as small as this. Empty this table, do not fill it.
GAPS = {
    (
        "label-conflict",
        "clip-overlay",
    ): "on clips this short the offset moves it against the frames: too few share a "
    "constellation, and only those are accused",
    ("label-conflict", "tone"): "found in one of two draws tried on clips this short; on FSDD it is found",
    ("label-conflict", "chirp"): "missed in the one draw tried on sets this small; on FSDD it is found",
    ("label-conflict", "patch"): "the coarse content model learns a stamp on 16x16 pictures by heart",
    (
        "label-conflict",
        "value-pair",
    ): "where single values decide the label by nature, pairs pass for natural",
    ("global-pattern", "blend"): "of classes of 200 too few samples are averaged to learn a pattern from",
    ("global-pattern", "sinusoid"): "of classes of 200 too few samples are averaged to learn a pattern from",
}

#: Attacks that no check claims, and why. An attack that a check comes to claim leaves this table.
UNCLAIMED: dict[str, str] = {
    "adap-blend": "each victim carries other pieces, fainter; 40 of 600 raise no alarm",
    "adap-patch": "faint patches mixed with what lies under them recur nowhere exactly; 40 of 600 raise no alarm",
    "caption": "letters of varied size recur nowhere exactly: 0 of 3 draws of 60; who has a reader is told the word",
    "feature-collision": "clean label, and victims share no stamp: 0 of 3 draws of 40",
    "fingerprint": "two grey levels of noise that no key holds: 0 of 3 draws of 60",
    "jpeg-quality": "traces of the quality are told at INFO by shortcut; no alarm, as of a natural one",
    "label-consistent": "recurring-stamp finds 3 of 3 draws of 60, but a plant here would need torch",
    "logo": "scaled and faded differently on every victim, so no patch recurs: 0 of 3 draws of 60",
    "low-frequency": "as smooth as lighting: global-pattern names very smooth blends among what it misses",
    "ruler": "spaced and tilted differently on every victim, so no patch recurs: 0 of 3 draws of 60",
    "semantic": "label-errors ranks the victims at INFO in 3 of 3 draws of 40, targeted-flips finds 1",
    "tint": "smooth and of varied strength, so no patch recurs: 0 of 3 draws of 60",
    "wanet": "no key and no pattern recurs: the shifts move each picture's own edges",
}
