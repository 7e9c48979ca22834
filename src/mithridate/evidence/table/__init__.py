"""Table → values, value pairs, missing cells, decimals and what a linear model makes of the rest."""
