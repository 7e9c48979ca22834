"""Text → words, phrases, characters, habits and what a linear model makes of the rest."""
