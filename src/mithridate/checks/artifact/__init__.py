"""Checks of files, without loading them: one file, one check."""
