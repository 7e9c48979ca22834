"""Checks of a model's behaviour: one file, one check."""
