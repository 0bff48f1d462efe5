"""Approximate substring search, held against the textbook's table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gukbap.stages.clean.alignment import substring_distance


def _by_table(pattern: str, text: str) -> int:
    row = [0] * (len(text) + 1)
    for place, character in enumerate(pattern, start=1):
        above, row = row, [place]
        for column, other in enumerate(text, start=1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (character != other)))
    return min(row)


@given(st.text("가나다", max_size=70), st.text("가나다라", max_size=90))
def test_it_is_the_distance_to_the_nearest_substring(pattern: str, text: str) -> None:
    assert substring_distance(pattern, text) == _by_table(pattern, text)
