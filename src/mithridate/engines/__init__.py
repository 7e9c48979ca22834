"""Where a pass runs."""
