"""The ways that bench/dedup_speed.py runs in turn: near-dedup, and its peers as their READMEs have them."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.korean_rows import row
from gukbap.adapters.progress import SilentProgress
from gukbap.config import DedupConfig, DedupSettings
from gukbap.schemas import Row
from gukbap.stages.dedup import near_dedup
from gukbap.stages.dedup.alike import likeness
from gukbap.stages.dedup.text import Comparable

if TYPE_CHECKING:
    from datasketch import MinHash

SETTINGS = DedupSettings(seed=42, dedup=DedupConfig())
PERMUTATIONS, THRESHOLD, SHINGLE = 128, 0.6, 3
_COMPARED = SETTINGS.dedup.bands * SETTINGS.dedup.band_rows


def _shingles(text: str) -> list[str]:
    folded = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
    return [folded[place : place + SHINGLE] for place in range(max(1, len(folded) - SHINGLE + 1))]


def gukbap(given: Sequence[str]) -> set[int]:
    """This project: every candidate's texts are compared, by edits, shingles, numbers and words."""
    return {int(one.id) for one in near_dedup(SETTINGS, rows_of(tuple(given)), SilentProgress()).kept}


@cache
def rows_of(given: tuple[str, ...]) -> list[Row]:
    """Rows as a file of them would have been read, which is no part of near-dedup."""
    return [row(str(number), text, "답") for number, text in enumerate(given)]


def _datasketch(signatures: Iterable[MinHash]) -> set[int]:
    from datasketch import MinHashLSH

    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    kept = set()
    for number, signature in enumerate(signatures):
        if not lsh.query(signature):
            lsh.insert(number, signature)
            kept.add(number)
    return kept


def _one_by_one(given: Sequence[str], hash_function: Callable[[bytes], int]) -> Iterator[MinHash]:
    from datasketch import MinHash

    for text in given:
        signature = MinHash(num_perm=PERMUTATIONS, seed=1, hashfunc=hash_function)
        signature.update_batch([shingle.encode() for shingle in _shingles(text)])
        yield signature


def _in_bulk(given: Sequence[str], permutations: int) -> Iterator[MinHash]:
    import xxhash
    from datasketch import MinHash

    shingles = ([shingle.encode() for shingle in _shingles(text)] for text in given)
    yield from MinHash.generator(shingles, num_perm=permutations, seed=1, hashfunc=xxhash.xxh32_intdigest)


def datasketch_sha1(given: Sequence[str]) -> set[int]:
    """datasketch as it comes: rows that share a band go, and no two are compared."""
    from datasketch.hashfunc import sha1_hash32

    return _datasketch(_one_by_one(given, sha1_hash32))


def datasketch_xxhash(given: Sequence[str]) -> set[int]:
    """The same with the faster hash that its documentation recommends."""
    import xxhash

    return _datasketch(_one_by_one(given, xxhash.xxh32_intdigest))


def datasketch_bulk(given: Sequence[str]) -> set[int]:
    """The same with that hash and its generator of signatures, which draws the permutations once."""
    return _datasketch(_in_bulk(given, PERMUTATIONS))


def rensa_deduplicator(given: Sequence[str]) -> set[int]:
    """rensa's deduplicator: estimates each candidate's similarity, and compares no texts."""
    from rensa import RMinHashDeduplicator

    deduplicator = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True)
    flags = deduplicator.add_pairs((str(number), _shingles(text)) for number, text in enumerate(given))
    return {number for number, keep in enumerate(flags) if keep}


def rensa_matrix(given: Sequence[str]) -> set[int]:
    """rensa's batch interface, its fastest: rows that share a band go, all of them."""
    from rensa import RMinHash, RMinHashLSH

    matrix = RMinHash.digest_matrix_from_token_sets([_shingles(text) for text in given], PERMUTATIONS, 42)
    lsh = RMinHashLSH(THRESHOLD, PERMUTATIONS, 16)
    flags = lsh.query_duplicate_flags_matrix_one_shot(matrix)
    return {number for number, duplicate in enumerate(flags) if not duplicate}


def rensa_compared(given: Sequence[str]) -> set[int]:
    """rensa's signatures with this project's bands and exact comparison: rensa at equal quality."""
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_token_sets([_shingles(text) for text in given], _COMPARED, 42)
    return _compared(given, np.array(matrix.to_rows(), dtype=np.uint32))


def datasketch_compared(given: Sequence[str]) -> set[int]:
    """datasketch's signatures, made in bulk, with the same: datasketch at equal quality."""
    signatures = _in_bulk(given, _COMPARED)
    return _compared(given, np.array([one.hashvalues for one in signatures], dtype=np.uint32))


def _compared(given: Sequence[str], minima: npt.NDArray[np.uint32]) -> set[int]:
    """What stays by a peer's minima and this project's bands and comparison."""
    dedup = SETTINGS.dedup
    candidates: dict[int, list[int]] = defaultdict(list)
    pairs = _pairs_of_bands(minima, dedup.bands)
    for start in range(0, len(pairs), 4096):
        later, better = pairs[start : start + 4096].T
        # As far below what is asked for as near-dedup itself allows its estimates to be.
        likely = (minima[later] == minima[better]).mean(axis=1) >= dedup.jaccard - 0.1
        for one, other in pairs[start : start + 4096][likely].tolist():
            candidates[one].append(other)
    texts = {one: Comparable.of(given[one]) for one in {*candidates, *chain(*candidates.values())}}
    kept: set[int] = set()
    for one in range(len(given)):
        others = (other for other in candidates.get(one, ()) if other in kept)
        if not any(likeness(texts[one], texts[other], dedup) for other in others):
            kept.add(one)
    return kept


def _pairs_of_bands(digests: npt.NDArray[np.uint32], bands: int) -> npt.NDArray[np.int64]:
    """Later row, earlier row: all pairs that share a band, sorted."""
    pairs: set[tuple[int, int]] = set()
    for band in np.split(digests, bands, axis=1):
        keys = np.ascontiguousarray(band).view(f"V{4 * band.shape[1]}").ravel()
        order = np.argsort(keys, kind="stable")
        for bucket in np.split(order, np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1):
            if len(bucket) > 1:
                pairs.update((one, other) for other, one in combinations(bucket.tolist(), 2))
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


WAYS: tuple[Callable[[Sequence[str]], set[int]], ...] = (
    gukbap,
    rensa_deduplicator,
    rensa_matrix,
    rensa_compared,
    datasketch_xxhash,
    datasketch_sha1,
    datasketch_bulk,
    datasketch_compared,
)
