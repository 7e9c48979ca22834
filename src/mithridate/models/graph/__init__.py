"""A model's graph, read without running it."""
