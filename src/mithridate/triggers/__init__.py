"""A trigger as a thing: put it on a sample, describe it. Open to every room; knows no ledger."""
