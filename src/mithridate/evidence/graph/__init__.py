"""Evidence about a model's graph: branches around its layers, what they do and what wakes them."""
