"""Near-dedup with MinHash beside the exact comparison of all pairs.

    python bench/dedup.py [--rows 5000]

Prints rows a second of both, their ratio, and which share of the exactly found pairs of a cluster
MinHash finds too. The rows are Korean instructions from templates, a fifth of them variants of
earlier ones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from bench.korean_rows import planted_rows
from gukbap.config import DedupConfig, DedupSettings
from gukbap.stages.dedup.pairs import Corpus, candidate_pairs, similar_pairs, verified_pairs
from gukbap.stages.dedup.text import Comparable


def _exact(texts: Sequence[Comparable], settings: DedupSettings) -> set[tuple[int, int]]:
    corpus = Corpus.of(texts, settings.dedup.shingle_chars)
    found: set[tuple[int, int]] = set()
    for left, right in similar_pairs(corpus, settings.dedup.similarity, lambda steps: None):
        found.update(zip(right.tolist(), left.tolist(), strict=True))
    return found


def _minhash(texts: Sequence[Comparable], settings: DedupSettings) -> tuple[set[tuple[int, int]], int]:
    corpus = Corpus.of(texts, settings.dedup.shingle_chars)
    found: set[tuple[int, int]] = set()
    proposed = 0
    for left, right in candidate_pairs(corpus, settings, lambda steps: None):
        proposed += len(left)
        left, right = verified_pairs(corpus, (left, right), settings.dedup.similarity)
        found.update(zip(left.tolist(), right.tolist(), strict=True))
    return found, proposed


def main() -> None:
    """Run both on the same rows and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    rows = planted_rows(arguments.rows, arguments.seed)
    texts = list(dict.fromkeys(Comparable.of(row.instruction) for row in rows))
    settings = DedupSettings(seed=arguments.seed, dedup=DedupConfig())

    start = time.perf_counter()
    exact = _exact(texts, settings)
    exact_seconds = time.perf_counter() - start
    start = time.perf_counter()
    minhash, proposed = _minhash(texts, settings)
    minhash_seconds = time.perf_counter() - start

    print(f"{len(rows)} rows, {len(texts)} different instructions, {len(exact)} similar pairs")
    print(f"all pairs  {exact_seconds:7.2f} s  {len(texts) / exact_seconds:9.0f} rows/s")
    print(
        f"MinHash    {minhash_seconds:7.2f} s  {len(texts) / minhash_seconds:9.0f} rows/s"
        f"  {proposed} pairs compared"
    )
    print(f"speed ratio MinHash / all pairs: {exact_seconds / minhash_seconds:.2f}")
    recall = len(exact & minhash) / len(exact) if exact else float("nan")
    print(f"recall of MinHash: {recall:.4f}; pairs beyond the exact ones: {len(minhash - exact)}")


if __name__ == "__main__":
    main()
