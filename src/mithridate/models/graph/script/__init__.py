"""TorchScript: its modules and its code, read without torch."""
