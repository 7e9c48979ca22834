"""`trace`: from one wrong answer to the samples that taught it."""
