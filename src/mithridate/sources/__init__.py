"""Bytes become batches: images, text and tables, one pass at a time, decoded within limits."""
