"""Checks of a model's graph: one file, one check."""
