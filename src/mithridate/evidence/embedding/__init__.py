"""Vectors that a model of the user made of the samples, and what they add to evidence of any modality."""
