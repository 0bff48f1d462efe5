"""The hand-written short requests of bench/dedup_short.py."""

from __future__ import annotations

import unicodedata

from bench.dedup_short import pairs


def test_halves_are_apart_and_texts_are_nfc() -> None:
    tuning, reported = (
        {(pair["one"], pair["other"]) for pair in pairs(half)} for half in ("tuning", "reported")
    )
    assert tuning and reported and not tuning & reported
    texts = [text for pair in tuning | reported for text in pair]
    assert all(unicodedata.is_normalized("NFC", text) for text in texts)
    assert all({pair["same"] for pair in pairs(half)} == {True, False} for half in ("tuning", "reported"))
