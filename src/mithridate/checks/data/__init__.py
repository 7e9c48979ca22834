"""Checks over training data. They know ids, labels, keys, vectors and predictions; not what an image is."""
