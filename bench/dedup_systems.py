"""What bench/dedup_quality.py compares: each system takes texts and tells which rows it would remove.

Nothing of a system is imported before it runs, so that peers work in an environment of their own, without
this project. Where a peer has no notion of which row stays, the first of each of its clusters does.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Removed = set[int]
Pairs = Iterable[tuple[int, int]]

# Chosen on the tuning half with 20,000 rows, seed 1: the lowest threshold whose innocents stay within the
# bound of 0.5 % (bench/dedup_quality.py --half tuning).
_TUNED_SIMILARITY: Final = 0.7
_SHINGLE: Final = 3


@dataclass(frozen=True)
class System:
    """A way to find near-duplicates."""

    run: Callable[[Sequence[str]], Removed]
    #: modules that its environment must have; none: this project
    needs: tuple[str, ...]


def gukbap(texts: Sequence[str]) -> Removed:
    """This project's stage with its defaults. Responses are short and all different: instructions decide."""
    from bench.korean_rows import row
    from gukbap.adapters.progress import SilentProgress
    from gukbap.config import DedupConfig, DedupSettings
    from gukbap.stages.dedup import near_dedup

    rows = [row(str(n), text, f"{n}번째 답입니다.", seed_id=str(n)) for n, text in enumerate(texts)]
    result = near_dedup(DedupSettings(seed=42, dedup=DedupConfig()), rows, SilentProgress())
    return {int(entry.row.id) for entry in result.removed}


def datasketch_words(texts: Sequence[str]) -> Removed:
    """As datasketch's guide has it: MinHash of the words, MinHashLSH with its defaults (threshold 0.9)."""
    from datasketch import MinHashLSH

    return _later_of_clusters(
        len(texts), _datasketch_pairs([set(text.split()) for text in texts], MinHashLSH())
    )


def datasketch_characters(texts: Sequence[str]) -> Removed:
    """datasketch over normalised character shingles; its LSH's word is final."""
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=_TUNED_SIMILARITY)
    return _later_of_clusters(len(texts), _datasketch_pairs(list(map(_characters, texts)), index))


def datasketch_verified(texts: Sequence[str]) -> Removed:
    """datasketch over normalised character shingles, its candidates compared exactly."""
    from datasketch import MinHashLSH

    sets = list(map(_characters, texts))
    pairs = _datasketch_pairs(sets, MinHashLSH(params=(42, 3)))
    return _later_of_clusters(len(texts), _similar(sets, pairs))


def text_dedup(texts: Sequence[str]) -> Removed:
    """What text-dedup's minhash does by default, done with datasketch.

    That is 5-grams of words, 250 permutations, threshold 0.7. It leaves out texts under five words; these
    stay here.
    """
    from datasketch import MinHashLSH

    sets = []
    for text in texts:
        words = re.split(r"\W", text.lower())
        sets.append({" ".join(words[n : n + 5]) for n in range(len(words) - 4)})
    index = MinHashLSH(threshold=0.7, num_perm=250)
    return _later_of_clusters(len(texts), _datasketch_pairs(sets, index, permutations=250))


def datatrove(texts: Sequence[str]) -> Removed:
    """datatrove's own pipeline with its defaults: 5-grams of Kiwi's words, 14 buckets of 8 hashes."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupSignature,
    )
    from datatrove.utils.logging import logger

    logger.remove()
    config = MinhashConfig()
    with tempfile.TemporaryDirectory() as folder:
        signatures, buckets, removed = (f"{folder}/{name}" for name in ("signatures", "buckets", "removed"))
        documents = (Document(text=text, id=str(n)) for n, text in enumerate(texts))
        MinhashDedupSignature(signatures, config, language="kor_Hang").run(documents)
        for bucket in range(config.num_buckets):
            MinhashDedupBuckets(signatures, buckets, config=config).run(None, bucket, config.num_buckets)
        MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
        listed = Path(removed) / "000000.remove"
        found = listed.read_bytes() if listed.exists() else b""
    return {int.from_bytes(found[n : n + 4], "little") for n in range(0, len(found), 4)}


def rensa_words(texts: Sequence[str]) -> Removed:
    """As rensa's guide has it: its deduplicator over words, threshold 0.8."""
    from rensa import RMinHashDeduplicator

    keeper = RMinHashDeduplicator(threshold=0.8, num_perm=128, use_lsh=True)
    kept = keeper.add_pairs((str(n), text.split()) for n, text in enumerate(texts))
    return {n for n, stays in enumerate(kept) if not stays}


def rensa_characters(texts: Sequence[str]) -> Removed:
    """rensa's deduplicator over normalised character shingles, which its sketches compare."""
    from rensa import RMinHashDeduplicator

    keeper = RMinHashDeduplicator(threshold=_TUNED_SIMILARITY, num_perm=128, use_lsh=True, num_bands=32)
    kept = keeper.add_pairs((str(n), list(_characters(text))) for n, text in enumerate(texts))
    return {n for n, stays in enumerate(kept) if not stays}


def rensa_flat(texts: Sequence[str]) -> Removed:
    """rensa's fastest full signatures (of flat hashes that numpy makes), banded and compared by estimates."""
    import numpy as np
    from rensa import RMinHash

    flat, offsets = _flat_hashes(texts)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, 128, 42)
    digests = np.array(matrix.to_rows(), dtype=np.uint64)
    pairs: set[tuple[int, int]] = set()
    for band in range(32):
        keys = np.ascontiguousarray(digests[:, 4 * band : 4 * band + 4]).view("V32").ravel()
        order = np.argsort(keys, kind="stable")
        equal = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        pairs.update(zip(order[equal].tolist(), order[equal + 1].tolist(), strict=True))
    close = (pair for pair in pairs if (digests[pair[0]] == digests[pair[1]]).mean() >= _TUNED_SIMILARITY)
    return _later_of_clusters(len(texts), close)


#: In the order in which they run.
SYSTEMS: Final[dict[str, System]] = {
    "gukbap": System(gukbap, ()),
    "datasketch words": System(datasketch_words, ("datasketch",)),
    "datasketch char-3": System(datasketch_characters, ("datasketch",)),
    "datasketch char-3 verified": System(datasketch_verified, ("datasketch",)),
    "text-dedup defaults (datasketch)": System(text_dedup, ("datasketch",)),
    "datatrove defaults": System(datatrove, ("datatrove", "kiwipiepy")),
    "rensa words": System(rensa_words, ("rensa",)),
    "rensa char-3": System(rensa_characters, ("rensa",)),
    "rensa char-3 flat": System(rensa_flat, ("rensa", "numpy")),
}
#: Peers that no environment of the benchmark has, and why.
NOT_RUN: Final = {"semhash": "it compares embeddings of a model that is to be downloaded"}


def _folded(text: str) -> str:
    """Letters and digits alone, NFKC, without case."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold())) or text


def _characters(text: str) -> set[str]:
    folded = _folded(text)
    return {folded[n : n + _SHINGLE] for n in range(max(1, len(folded) - _SHINGLE + 1))}


def _flat_hashes(texts: Sequence[str]) -> tuple[Any, Any]:
    """All texts' shingles as numbers in one array, and where each text's begin."""
    import numpy as np

    hashes, sizes = [], [0]
    for text in texts:
        points = np.frombuffer(_folded(text).ljust(_SHINGLE).encode("utf-32-le", "surrogatepass"), "<u4")
        wide = points.astype(np.uint64)
        hashes.append(wide[:-2] << np.uint64(42) | wide[1:-1] << np.uint64(21) | wide[2:])
        sizes.append(len(hashes[-1]))
    return np.concatenate(hashes), np.cumsum(sizes, dtype=np.uint64)


def _datasketch_pairs(
    sets: Sequence[set[str]], index: Any, permutations: int = 128
) -> Iterator[tuple[int, int]]:
    """Each row with the earlier rows that datasketch's index proposes; an empty set has none."""
    from datasketch import MinHash

    for number, tokens in enumerate(sets):
        if not tokens:
            continue
        sketch = MinHash(num_perm=permutations)
        sketch.update_batch([token.encode("utf-8", "surrogatepass") for token in tokens])
        for other in index.query(sketch):
            yield other, number
        index.insert(number, sketch)


def _similar(sets: Sequence[set[str]], pairs: Pairs) -> Iterator[tuple[int, int]]:
    for one, other in pairs:
        shared = len(sets[one] & sets[other])
        if shared >= _TUNED_SIMILARITY * (len(sets[one]) + len(sets[other]) - shared):
            yield one, other


def _later_of_clusters(rows: int, pairs: Pairs) -> Removed:
    """All but the first row of each connected component."""
    parent = list(range(rows))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in pairs:
        one, other = root(one), root(other)
        parent[max(one, other)] = min(one, other)
    return {row for row in range(rows) if root(row) != row}
