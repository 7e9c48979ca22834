"""What turns a sample into a vector: models of the user, on the user's disk. Nothing is ever downloaded."""
