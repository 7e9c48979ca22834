"""Benchmarks on real data: the sets of `MITHRIDATE_DATA` as plain inputs, poisoned copies of them, scores.

Nothing of the data is part of this repository. Run from its root: `python -m benchmarks.inputs`,
`python -m benchmarks.plants`, `python -m benchmarks.bars --bar 2`.
"""
