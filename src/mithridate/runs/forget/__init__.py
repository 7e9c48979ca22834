"""`repair --forget`: the effect of named training samples is taken back without training again on all the others."""
