"""MinHash signatures beside exact Jaccard similarity, and beside datasketch."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.korean_rows import planted_rows
from gukbap.config import DedupConfig
from gukbap.stages.dedup import kernels, minhash
from gukbap.stages.dedup.minhash import agreement
from gukbap.stages.dedup.signatures import sign
from gukbap.stages.dedup.text import Comparable, jaccard

SETTINGS = DedupConfig()
TEXTS = [planted.instruction for planted in planted_rows(600, seed=1)]


def test_estimates_are_as_good_as_theory_and_near_datasketchs() -> None:
    signed = sign(TEXTS, SETTINGS, 42)
    prepared = [Comparable(text).shingles(3) for text in signed.texts]
    every = [(a, b, jaccard(prepared[a], prepared[b])) for a in range(len(TEXTS)) for b in range(a)]
    close = [pair for pair in every if 0.4 < pair[2] < 0.95]
    one, other = (np.array([pair[side] for pair in close]) for side in (0, 1))
    exact = np.array([pair[2] for pair in close])
    estimated = agreement(signed.sketches[one], signed.sketches[other], SETTINGS)
    permutations = minhash.permutations(SETTINGS)
    errors = (estimated - exact) / np.sqrt((1 - exact**2) / permutations)
    assert abs(errors.mean()) < 0.15
    assert 0.85 < errors.std() < 1.15
    oracle = []
    for grams in prepared:
        theirs = MinHash(num_perm=permutations)
        theirs.update_batch([gram.encode() for gram in sorted(grams)])
        oracle.append(theirs)
    peers = np.array([oracle[a].jaccard(oracle[b]) for a, b in zip(one, other, strict=True)])
    # By theory √((1 + J) / J): they keep 32 bits of a minimum, a sketch one.
    assert np.std(estimated - exact) < 2 * np.std(peers - exact)


def test_bands_propose_as_many_pairs_as_the_settings_promise() -> None:
    signed = sign(TEXTS, SETTINGS, 42)
    prepared = [Comparable(text) for text in signed.texts]
    wanted = [
        (a, b)
        for a in range(len(TEXTS))
        for b in range(a)
        if prepared[a].counted == prepared[b].counted
        and 0.45 <= jaccard(prepared[a].shingles(3), prepared[b].shingles(3)) < 0.55
    ]
    assert len(wanted) > 100
    found = np.mean([(signed.keys[:, a] == signed.keys[:, b]).any() for a, b in wanted])
    assert found == pytest.approx(SETTINGS.candidate_recall, abs=0.12)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(max_size=12) | st.sampled_from(["", "\ud800", "\0", "😀 👍", "ａ１", "C++ 3"]), max_size=6
    )
)
def test_digests_say_what_the_exact_comparison_says(texts: list[str]) -> None:
    signed = sign(texts, SETTINGS, 42)
    prepared = [Comparable.of(text) for text in texts]
    assert signed.letters.tolist() == [len(text.folded) for text in prepared]
    for a, one in enumerate(prepared):
        for b, other in enumerate(prepared):
            same = one.folded == other.folded and one.parts == other.parts
            assert (signed.digests[a] == signed.digests[b]).all() == same
            if same:
                assert (signed.keys[:, a] == signed.keys[:, b]).all()


@pytest.mark.parametrize("compiled", [True, False])
def test_neighbours_and_blocks_change_no_signature(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:  # NumPy alone works in blocks
        monkeypatch.setattr(kernels, "library", lambda: None)
    whole = sign(TEXTS, SETTINGS, 42)
    monkeypatch.setattr(minhash, "_HASHES_AT_ONCE", 300)
    monkeypatch.setattr(minhash, "_TEXTS_AT_ONCE", 7)
    half = sign(TEXTS[300:], SETTINGS, 42)
    assert (half.keys == whole.keys[:, 300:]).all()
    assert (half.sketches == whole.sketches[300:]).all()
    assert (half.digests == whole.digests[300:]).all()
    assert not (sign(TEXTS[300:], SETTINGS, 43).keys == half.keys).all()


def test_signatures_do_not_depend_on_the_process() -> None:
    code = (
        "from gukbap.config import DedupConfig; from gukbap.stages.dedup.signatures import sign; "
        "s = sign(['가나다라마바사 3개', '가나다라마바아'], DedupConfig(), 42); "
        "print(s.keys.tolist(), s.sketches.tolist(), s.digests.tolist())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
