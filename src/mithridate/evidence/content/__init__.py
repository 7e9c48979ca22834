"""Content models: out-of-fold, calibrated predictions of the label from the whole sample."""
