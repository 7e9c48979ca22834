"""Checks over training data. They know ids, labels, keys, vectors and predictions; what an image is, they do not know."""
