"""What recurs in sounds, and what their content says."""
