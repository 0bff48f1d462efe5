"""Jaccard similarities in arrays beside those of sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gukbap.stages.dedup.shingles import jaccards
from gukbap.stages.dedup.text import Comparable, jaccard


@pytest.mark.parametrize("length", [1, 3, 8])
@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.text("가나다a1\U00020000", max_size=20), min_size=1, max_size=8), data=st.data())
def test_arrays_give_what_sets_give(length: int, texts: list[str], data: st.DataObject) -> None:
    places = st.integers(0, len(texts) - 1)
    pairs = data.draw(st.lists(st.tuples(places, places), max_size=12))
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    sets = [Comparable(text).shingles(length) for text in texts]
    expected = [jaccard(sets[one], sets[other]) for one, other in pairs]
    assert jaccards(texts, left, right, length).tolist() == expected
