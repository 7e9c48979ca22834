"""Whole numbers as options: plain digits only, so that what is taken is what one reads."""

from __future__ import annotations

import re
from typing import Any

import click

__all__ = ["Whole", "whole_numbers"]

#: Python's `int` also takes other scripts' digits, underscores, signs and blanks, which are more likely slips.
_DIGITS = re.compile("[0-9]{1,12}")


class Whole(click.IntRange):
    """A whole number from `min` on, written in the digits 0 to 9."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; what was given as a number already is only checked."""
        if isinstance(value, str) and not _DIGITS.fullmatch(value):
            self.fail(f"expected a whole number in the digits 0 to 9, got {value!r}", param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


def whole_numbers(ctx: click.Context, param: click.Parameter, text: str) -> tuple[int, ...]:
    """A callback for numbers above 0, separated by commas; blanks around them are fine."""
    parts = [part.strip(" ") for part in text.split(",")]
    if not all(_DIGITS.fullmatch(part) and int(part) for part in parts):
        expected = "whole numbers above 0 in the digits 0 to 9, such as 10,25,100"
        raise click.BadParameter(f"expected {expected}, got {text!r}")
    return tuple(int(part) for part in parts)
