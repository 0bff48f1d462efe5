"""Short requests in two wordings, and short requests that only look alike: near-dedup beside its peers.

    python bench/dedup_short.py [--half reported] [--missed]

The pairs in bench/korean_pairs/short_requests.jsonl were written by hand for this project. Each is given to
each way of bench/dedup_ways.py by itself: one of two wordings should go, both of two other requests should
stay. The rules were made with the half `tuning` in view; docs/dedup_benchmark.md says what was seen of the
other.

Peers that are not installed are left out (`pip install 'gukbap[bench]'`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.dedup_ways import datasketch_sha1, gukbap, rensa_deduplicator

_PAIRS = Path(__file__).parent / "korean_pairs" / "short_requests.jsonl"
_WAYS: tuple[Callable[[Sequence[str]], set[int]], ...] = (gukbap, rensa_deduplicator, datasketch_sha1)


def pairs(half: str) -> list[dict[str, Any]]:
    """The labelled pairs of a half: `one`, `other`, and whether they are the `same` request."""
    found = map(json.loads, _PAIRS.read_text(encoding="utf-8").splitlines())
    return [pair for pair in found if pair["half"] == half]


def main() -> None:
    """Print for each way how many of the wordings it finds and of how many requests it takes one away."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--half", choices=("tuning", "reported"), default="reported")
    parser.add_argument("--missed", action="store_true", help="print what this project gets wrong")
    options = parser.parse_args()
    labelled = pairs(options.half)
    print(f"{'':20} wordings found  other requests lost")
    for way in _WAYS:
        try:
            wrong = [
                pair for pair in labelled if (len(way([pair["one"], pair["other"]])) == 1) != pair["same"]
            ]
        except ImportError:
            print(f"{way.__name__:20} not installed")
            continue
        missed, lost = (sum(pair["same"] is same for pair in wrong) for same in (True, False))
        wordings = sum(pair["same"] for pair in labelled)
        found = f"{wordings - missed} of {wordings}"
        print(f"{way.__name__:20} {found:>14}  {f'{lost} of {len(labelled) - wordings}':>19}")
        if way is gukbap and options.missed:
            for pair in wrong:
                print(f"    {'not found' if pair['same'] else 'lost'}: {pair['one']} | {pair['other']}")


if __name__ == "__main__":
    main()
