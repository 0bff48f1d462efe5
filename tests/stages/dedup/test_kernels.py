"""The compiled kernels beside the NumPy that they stand for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.korean_rows import planted_rows
from gukbap.adapters.progress import SilentProgress
from gukbap.config import DedupConfig, DedupSettings
from gukbap.stages.dedup import kernels, near_dedup, shingles
from gukbap.stages.dedup.folding import Cut, cut_in_numpy, fold, read
from gukbap.stages.dedup.minhash import in_numpy, keys_and_sketches

TEXTS = st.lists(
    st.text(max_size=12) | st.text("가나다 a1+-.,_\n\u3000\ud800😀𝐀", max_size=30) | st.just("가나다라" * 99),
    max_size=9,
)


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    kernels.library.cache_clear()
    yield
    kernels.library.cache_clear()


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_kernels_are_there_where_a_compiler_is() -> None:
    assert kernels.library(), "the kernels are not compiled, or of another source: make install"


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_texts_are_cut_alike(texts: list[str]) -> None:
    points, ends, kinds = read(texts)
    mine, theirs = Cut.of(points, ends, kinds), cut_in_numpy(points, ends, kinds)
    for name in ("letters", "starts", "spans", "word_ends", "words"):
        one, other = getattr(mine, name), getattr(theirs, name)
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist(), name


@pytest.mark.parametrize(
    "config",
    [
        DedupConfig(),
        DedupConfig(shingle_chars=1, jaccard=0.9),
        DedupConfig(shingle_chars=8, band_rows=2),
        DedupConfig(band_rows=7, candidate_recall=0.99),
    ],
)
@settings(max_examples=60, deadline=None)
@given(texts=TEXTS, seed=st.integers(0, 2**32))
def test_texts_are_signed_alike(config: DedupConfig, texts: list[str], seed: int) -> None:
    folded = fold(texts)
    numbers = np.arange(len(texts), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    both = (folded.points, folded.starts, numbers, config, seed)
    keys, sketches = keys_and_sketches(*both)
    expected_keys, expected_sketches = in_numpy(*both)
    assert (keys.dtype, sketches.dtype) == (expected_keys.dtype, expected_sketches.dtype)
    assert keys.tolist() == expected_keys.tolist()
    assert sketches.tolist() == expected_sketches.tolist()


@pytest.mark.parametrize("length", [1, 2, 3, 4])
@settings(max_examples=100, deadline=None)
@given(texts=TEXTS.filter(bool), data=st.data())
def test_pairs_are_as_similar(length: int, texts: list[str], data: st.DataObject) -> None:
    places = st.integers(0, len(texts) - 1)
    pairs = data.draw(st.lists(st.tuples(places, places), max_size=20))
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    points, ends, _ = read(texts)
    mine = shingles.jaccards(texts, left, right, length)
    assert mine.tolist() == shingles.in_numpy(points, ends, left, right, length).tolist()


def test_near_dedup_is_the_same_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = planted_rows(800, seed=3)
    chosen = DedupSettings(seed=42, dedup=DedupConfig())
    with_them = near_dedup(chosen, rows, SilentProgress())
    monkeypatch.setattr(kernels, "library", lambda: None)
    without = near_dedup(chosen, rows, SilentProgress())
    assert with_them.removed
    assert with_them == without


def test_kernels_of_another_source_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "kernels.c"
    changed.write_bytes(kernels.SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(kernels, "SOURCE", changed)
    assert kernels.library() is None


@pytest.mark.parametrize("content", [None, b"no library"])
def test_without_a_library_there_are_none(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "libkernels.so"
    if content:
        path.write_bytes(content)
    monkeypatch.setattr(kernels, "LIBRARY", path)
    assert kernels.library() is None


def test_an_array_of_another_kind_is_refused() -> None:
    points, ends, kinds = read(["가나다"])
    with pytest.raises(TypeError, match="expected a contiguous array of uint32, not of float64"):
        Cut.of(points.astype(np.float64), ends, kinds)
    with pytest.raises(TypeError, match="contiguous"):
        Cut.of(np.arange(8, dtype=np.uint32)[::2], ends, kinds)
