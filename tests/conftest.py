"""What holds for all tests."""

import sys

import pytest


@pytest.fixture(autouse=True)
def one_thread_of_torch():
    """As many test processes run as there are cores; whatever a test before has set."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
