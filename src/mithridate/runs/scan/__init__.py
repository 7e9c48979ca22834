"""`scan`: a model → findings about its files, its graph and its behaviour."""
