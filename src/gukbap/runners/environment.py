"""What a runner sets for the stages of a run, and puts back afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gukbap.handover import RUN_ID, WORK_DIR
from gukbap.runners.run_folder import RunFolder


@contextmanager
def stage_environment(folder: RunFolder, extra: Mapping[str, str]) -> Iterator[None]:
    """Set the variables that workers read (see handover) while the block runs."""
    values = {WORK_DIR: str(folder.work), RUN_ID: folder.id, **extra}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
