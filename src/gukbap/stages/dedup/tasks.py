"""Near-dedup of a file as tasks: on this machine's cores, or one each on several machines.

    sign_lines    lines of the file → a chunk's folder      any number of them, side by side
    find_bands    some bands of all chunks → a file         any number of them, side by side
    join          chunks and bands → the rows that go       one

What comes out does not depend on how the lines and the bands are shared out.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from gukbap.config import DedupSettings
from gukbap.stages.dedup.chunks import Chunk, read_chunk, sign_rows, write_chunk
from gukbap.stages.dedup.collisions import read_collisions, united, write_collisions
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.decide import Removal
from gukbap.stages.dedup.index import Index
from gukbap.stages.dedup.join import find_collisions, find_removals
from gukbap.stages.dedup.memory import without_collections
from gukbap.stages.dedup.reading import LineRange, line_ranges, read_range
from gukbap.stages.dedup.signatures import FORMAT

# Of the file, signed at once: what a process holds in memory. Results do not depend on them.
_LEAST_BYTES, _MOST_BYTES = 4 << 20, 32 << 20


def sign_lines(settings: DedupSettings, source: Path, lines: LineRange, folder: Path) -> int:
    """Sign the rows of some lines into a folder of the chunks' folder; returns how many rows there were.

    A folder that is there already is whole, and is kept.
    """
    target = chunk_folder(folder, lines)
    if target.is_dir():
        return len(read_chunk(target))
    with without_collections():
        pairs = list(read_range(source, lines))
        write_chunk(target, sign_rows(settings, [row for row, _ in pairs], [line for _, line in pairs]))
    return len(pairs)


def sign_file(
    settings: DedupSettings, source: Path, folder: Path, advance: Callable[[int], None]
) -> list[Chunk]:
    """Sign all rows of a file, on as many cores as `dedup.workers` says."""
    workers = settings.dedup.workers or _cores()
    size = source.stat().st_size if source.is_file() else 0
    ranges = line_ranges(source, min(_MOST_BYTES, max(_LEAST_BYTES, size // (4 * workers))))
    workers = min(workers, len(ranges))
    if workers < 2:
        for lines in ranges:
            advance(sign_lines(settings, source, lines, folder))
    else:
        # Not forked: a fork of a process with threads (trackers have some) may hang.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            waiting = [pool.submit(sign_lines, settings, source, lines, folder) for lines in ranges]
            try:
                for done in as_completed(waiting):
                    advance(done.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return [read_chunk(chunk_folder(folder, lines)) for lines in ranges]


def chunk_folder(folder: Path, lines: LineRange) -> Path:
    """Where the chunk of some lines lies: one of another release is not taken for it."""
    return folder / f"{lines.name}-{FORMAT}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_bands(settings: DedupSettings, chunks: Sequence[Chunk], bands: range, target: Path) -> None:
    """Write the collisions of some bands of every field that has bands."""
    corpus = Corpus(chunks, settings.dedup)
    index = Index.empty(settings)
    for field in corpus.fields:
        if corpus.bands(field):
            found = find_collisions(settings.dedup, corpus, index, field, bands)
            write_collisions(target.with_name(f"{target.name}.{field}.npz"), found)


def join(settings: DedupSettings, chunks: Sequence[Chunk], targets: Sequence[Path]) -> list[Removal]:
    """What goes, from the collisions that other tasks wrote."""
    corpus = Corpus(chunks, settings.dedup)
    found = {
        field: united([read_collisions(path.with_name(f"{path.name}.{field}.npz")) for path in targets])
        for field in corpus.fields
        if corpus.bands(field)
    }
    return find_removals(settings.dedup, corpus, Index.empty(settings), lambda steps: None, found)
