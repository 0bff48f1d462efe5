"""Sino-Korean numerals: what their syllables stand for, and the values of several together."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

DIGITS: Final = dict(zip("영공일이삼사오육륙칠팔구", (0, 0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9), strict=True))
SMALL_UNITS: Final = {"십": 10, "백": 100, "천": 1000}
LARGE_UNITS: Final = {"만": 10**4, "억": 10**8, "조": 10**12}


def value(parts: Iterable[str | Decimal]) -> Decimal:
    """The value of digits and units in their order: 3, 천, 5, 백 → 3500."""
    total = section = pending = Decimal(0)
    for part in parts:
        if part in SMALL_UNITS:
            section, pending = section + (pending or 1) * SMALL_UNITS[str(part)], Decimal(0)
        elif part in LARGE_UNITS:
            total += (section + pending or 1) * LARGE_UNITS[str(part)]
            section = pending = Decimal(0)
        elif part in DIGITS:
            pending = pending * 10 + DIGITS[str(part)]
        else:
            pending = Decimal(part)
    return total + section + pending
