"""What a CPU process holds besides live tensors: memory that the C library keeps after it was freed.

An estimate, fitted to measured trainings (bench/training_memory.py), where everything else is counted.
glibc gives blocks over 32 MiB back at once. Smaller ones come from a heap that hardly shrinks: it keeps
the most that was ever in it, and holes of sizes that nothing fits into, since gradients and Adam's states
are born between activations. Checkpointing, which makes and frees each layer twice, leaves more holes, and so
do adapters.
"""

from __future__ import annotations

from gukbap.stages.train.forecast.activations import FLOAT32
from gukbap.stages.train.forecast.memory import moments
from gukbap.stages.train.forecast.process import Memory, Training, chunk_positions

#: glibc's DEFAULT_MMAP_THRESHOLD_MAX on 64-bit machines, in bytes
LARGE = 32 << 20
#: Holes as a share of the heap: fitted, without and with checkpointing, and to adapters.
HOLES, HOLES_CHECKPOINTED, HOLES_ADAPTERS = 0.16, 0.37, 0.66


def kept_after_freeing(training: Training) -> int:
    """Bytes that a process takes by glibc's default settings over what is live at the peak."""
    found = [memory for _, memory in moments(training)]
    shares = [_large_and_small(training, memory) for memory in found]
    heap = max(small for _, small in shares)
    if training.config.lora is not None:
        holes = HOLES_ADAPTERS
    else:
        holes = HOLES_CHECKPOINTED if training.config.gradient_checkpointing else HOLES
    taken = max(memory.parameters + large for memory, (large, _) in zip(found, shares, strict=True))
    return round(taken + heap * (1 + holes)) - max(memory.total for memory in found)


def _large_and_small(training: Training, memory: Memory) -> tuple[int, int]:
    """Bytes in blocks that are given back, and in the heap. Parameters are in neither: they are read
    from the model's file, page by page, and written in place."""
    shape = training.shape
    large = 0
    if FLOAT32 * shape.embedding > LARGE:
        embeddings = FLOAT32 * (1 if shape.tied else 2) * shape.embedding
        large += min(memory.gathered, embeddings)
        if training.embedding_is_trained:
            large += min(memory.optimiser, 2 * embeddings) + min(memory.gradients, embeddings)
    if FLOAT32 * chunk_positions(training, training.batch.trained) * shape.vocabulary > LARGE:
        large += memory.logits
    if FLOAT32 * training.batch.tokens * shape.hidden > LARGE:
        large += memory.activations
    return large, memory.total - memory.parameters - large
