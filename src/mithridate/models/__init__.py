"""A model, whatever it is: anything that maps inputs to class probabilities."""
