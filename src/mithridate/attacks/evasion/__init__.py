"""Evasion, for contrast: it changes the input of a finished model and leaves data and training alone."""
