"""`repair` of weights: candidates, what they leave of triggers, which one is taken, and what is proven of it."""
