"""Typing habits that a document may have; bit i of `Tokens.habits` is `HABITS[i]` (set by `tokenise`)."""

from __future__ import annotations

__all__ = ["HABITS"]

HABITS = (
    "letters of look-alike scripts mixed in one word",
    "an invisible character inside a word",
    "three words in capitals in a row",
    "two spaces in a row",
    "three spaces in a row",
    "a tab",
    "Windows line ends",
    "a blank at the start",
    "a blank at the end",
    "three exclamation or question marks in a row",
    "four dots in a row",
)
