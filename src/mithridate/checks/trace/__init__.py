"""One file, one way to find the samples that taught a model a wrong answer."""
