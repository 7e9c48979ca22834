"""`python -m mithridate`: the program, where its script is not on the path."""

from __future__ import annotations

from mithridate.cli.main import main

if __name__ == "__main__":
    main()
