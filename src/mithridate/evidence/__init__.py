"""Batch (and model) → what checks read: keys, vectors, out-of-fold predictions. The last room that knows modalities."""
