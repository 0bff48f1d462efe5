"""Texts folded all at once beside texts folded one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gukbap.stages.dedup import folding, kernels
from gukbap.stages.dedup.folding import comparables, fold
from gukbap.stages.dedup.text import Comparable, compatible, fixed_parts_within

# What combines, changes its length, is of another plane, or makes a fixed part.
DELICATE = "가각ㄱㅏ\u1100\u1161\u11a8Ａé\u0301\u0307İßﬁ①½Ⅷ\u200b\u00ad\ud800😀𝐀𠀀#+-=<×ax(.,12 \0\n_"


def _check(texts: list[str]) -> None:
    folded = fold(texts)
    assert folded.texts == [compatible(text) for text in texts]
    alone = [Comparable.of(text) for text in texts]
    bounds = zip(folded.starts, folded.starts[1:], strict=False)
    points = [folded.points[start:end].tobytes() for start, end in bounds]
    assert points == [text.folded.encode("utf-32-le", "surrogatepass") for text in alone]
    spans = zip(folded.texts, folded.spans.tolist(), strict=True)
    assert [fixed_parts_within(text, start, end) for text, (start, end) in spans] == [
        text.parts for text in alone
    ]
    for one, other in zip(comparables(folded.texts), alone, strict=True):
        assert (one.words, one.folded, one.parts) == (other.words, other.folded, other.parts)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=8) | st.text(DELICATE, max_size=12), max_size=6))
def test_texts_side_by_side_are_folded_as_each_alone(texts: list[str]) -> None:
    _check(texts)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("before", ["", "가", "ㄱㅏ", "e"])
def test_every_code_point_of_the_first_plane_is_folded_as_alone(
    before: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(kernels, "library", lambda: None)
    monkeypatch.setattr(folding, "_TEXTS_AT_ONCE", 4096)
    _check([f"{before}{chr(point)}1" for point in range(0x10000)])
