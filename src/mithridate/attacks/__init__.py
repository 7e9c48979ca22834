"""One file, one attack. Attacks only plan; `mithridate.runs.plant` writes data, always with a ledger."""
