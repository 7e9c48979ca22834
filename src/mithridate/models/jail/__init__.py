"""Running what cannot be trusted: a child process that can compute, answer, and nothing else."""
