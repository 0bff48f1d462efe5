"""What near-dedup knows of many texts at once: hashes of what equal texts share, and keys of bands.

A signature depends on the text and the settings alone: not on the other texts, their order, how they
are cut into blocks, or the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import xxhash

from gukbap.config import DedupConfig
from gukbap.stages.dedup.arrays import Indices, Words32, Words64
from gukbap.stages.dedup.folding import Folded, comparables, fold
from gukbap.stages.dedup.gist import LEAST_WORDS, MOST_WORDS
from gukbap.stages.dedup.minhash import keys_and_sketches
from gukbap.stages.dedup.text import fixed_parts_within

#: Raised whenever signatures of before cannot be compared with those of now.
FORMAT = 4


@dataclass(frozen=True)
class Signatures:
    """What is known of n texts without reading them again."""

    #: the texts as they are compared (text.compatible); none where only digests are compared
    texts: Sequence[str]
    #: letters and digits of each text
    letters: Indices
    #: n × 2: 128 bits of a hash of letters, digits and fixed parts; equal for equal texts
    digests: Words64
    #: n × 2: 128 bits of a hash of what a short text is about (gist.py), zeros where that is not known
    gists: Words64
    #: bands × n; equal where two texts agree in a band, in every other one also in their numbers
    keys: Words32
    #: n × words: a bit of each minimum, to estimate a candidate's similarity before it is compared
    sketches: Words64


def sign(texts: Sequence[str], settings: DedupConfig, seed: int, *, minhash: bool = True) -> Signatures:
    """Sign texts.

    Args:
        texts: as they were written.
        settings: shingles and bands.
        seed: of the permutations.
        minhash: off, there are digests alone, and no keys and sketches.
    """
    folded = fold(texts)
    made, starts = folded.texts, folded.starts
    parts = _fixed_parts(folded)
    digests = hashes128(_contents(folded, parts))
    letters = np.diff(starts)
    if not minhash:
        none = np.zeros((0, len(made)), np.uint32), np.zeros((len(made), 0), np.uint64)
        return Signatures([], letters, digests, np.zeros_like(digests), *none)
    numbers = np.zeros(len(made), np.uint64)
    numbers[list(parts)] = [_number_key(found) for found in parts.values()]
    keys, sketches = keys_and_sketches(folded.points, starts, numbers, settings, seed)
    return Signatures(made, letters, digests, _gists(folded), keys, sketches)


def _gists(folded: Folded) -> Words64:
    short = np.flatnonzero((folded.words >= LEAST_WORDS) & (folded.words <= MOST_WORDS)).tolist()
    texts = comparables([folded.texts[place] for place in short])
    known = {place: text.gist for place, text in zip(short, texts, strict=True) if text.gist}
    found = np.zeros((len(folded.texts), 2), np.uint64)
    found[list(known)] = hashes128(gist.encode("utf-8", "surrogatepass") for gist in known.values())
    return found


def _fixed_parts(folded: Folded) -> dict[int, tuple[str, ...]]:
    """Text → what it has of them (text.fixed_parts); most texts have none."""
    places = np.flatnonzero(folded.spans[:, 1])
    spans = zip(places.tolist(), *folded.spans[places].T.tolist(), strict=True)
    found = ((place, fixed_parts_within(folded.texts[place], start, end)) for place, start, end in spans)
    return {place: parts for place, parts in found if parts}


def _contents(folded: Folded, parts: Mapping[int, tuple[str, ...]]) -> list[bytes]:
    """All that equal texts have in common, of each text."""
    points = folded.points.tobytes()
    bounds = (4 * folded.starts).tolist()
    contents = [points[start:end] for start, end in pairwise(bounds)]
    for place, found in parts.items():
        contents[place] += "\0".join(found).encode("utf-32-le", "surrogatepass")
    return contents


def hashes128(contents: Iterable[bytes]) -> Words64:
    """n × 2: XXH3's 128 bits of each of some contents, the same in every process."""
    joined = b"".join(map(xxhash.xxh3_128_digest, contents))
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64).reshape(-1, 2)


@lru_cache(1 << 14)
def _number_key(parts: tuple[str, ...]) -> int:
    """Equal for the same numbers in any order: clauses may stand in another one."""
    content = "\0".join(sorted(parts)).encode("utf-8", "surrogatepass")
    return xxhash.xxh3_64_intdigest(content)
