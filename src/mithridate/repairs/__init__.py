"""Repairs of models: one file, one repair."""
