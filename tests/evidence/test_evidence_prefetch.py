"""Where nothing is compiled (NUMBA_DISABLE_JIT, for somebody who looks for an error), an audit of texts goes on."""

from __future__ import annotations

import os
import subprocess
import sys

_PROGRAM = """
import warnings
import numpy as np
warnings.simplefilter("ignore", RuntimeWarning)  # hashes overflow as they should
from mithridate.evidence.content.ascent import ascend
from mithridate.evidence.content.dual import dual_tables

weights, bias = np.zeros((2, 1), np.float32), np.zeros(1, np.float32)
ascend(
    np.array([0, 1, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32), np.ones(2, np.float32),
    np.array([0, 1], np.int32), np.ones(2, bool), np.ones(2, np.int8), np.array([0, 1]),
    dual_tables(1.0, (1.0, 2.0)), 1, 0, False, weights, bias, np.full((2, 1), 1e-3, np.float32),
)
assert weights[0, 0] < 0 < weights[1, 0]
"""


def test_texts_are_learnt_without_a_compiler():
    told = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
