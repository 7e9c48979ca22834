"""Keras models as files: what is in them, how their layers are wired, and what each layer computes."""
