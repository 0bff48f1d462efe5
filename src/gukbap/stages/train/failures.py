"""What the libraries' failures mean, in this project's words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.distributed.checkpoint.api import CheckpointException

from gukbap.errors import GukbapError, StorageFullError
from gukbap.stages.train.checkpoints import remove_unfinished

#: Less than this free, and a failed write was for want of space, whatever the library says of it.
_FULL_BYTES = 1 << 26
_FULL_WORDS = ("no space left on device", "disk quota exceeded")
#: How torch.save tells of a failed write: "file write failed", "unexpected pos", both from this file.
_TORCH_WRITER = "inline_container"


@contextmanager
def explained_failures(checkpoints: Path) -> Iterator[None]:
    """Turn a GPU's or a disk's end of room into one clear error.

    A checkpoint that a full disk left half written is removed: it takes the very space that is missing.
    """
    try:
        yield
    except GukbapError:
        raise
    except torch.OutOfMemoryError as error:
        raise GukbapError(
            f"the GPU has too little memory for this training ({str(error).splitlines()[0]})",
            fix="lower train.per_device_batch_size (raise gradient_accumulation), set "
            "gradient_checkpointing, or shard with train.processes and train.sharding=fsdp",
        ) from error
    # What torch's sharded checkpoints raise is no Exception.
    except (Exception, CheckpointException) as error:
        if not _is_full_disk(error, checkpoints):
            raise
        remove_unfinished(checkpoints)
        raise StorageFullError(
            f"no space left while writing checkpoints into {checkpoints}",
            fix="free some space, or lower train.keep_checkpoints, and run again with --resume; it goes on "
            "from the last whole one",
        ) from error


def _is_full_disk(error: BaseException, folder: Path) -> bool:
    if isinstance(error, CheckpointException):
        return any(_is_full_disk(failure[0], folder) for failure in error.failures.values())
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # safetensors has an error of its own, and torch does not say why a write failed.
    said = str(error).lower()
    if any(words in said for words in _FULL_WORDS):
        return True
    return _TORCH_WRITER in said and shutil.disk_usage(folder).free < _FULL_BYTES
