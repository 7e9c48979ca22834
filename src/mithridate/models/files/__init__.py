"""Model files as bytes: what they are, what is inside them. Nothing here loads or executes anything."""
