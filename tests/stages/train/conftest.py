"""The tiny random model, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gukbap.adapters.model_references import resolve_model
from gukbap.adapters.progress import SilentProgress


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """So tiny a model only loses time to threads that wait for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of random://mistral-tiny?seed=1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUKBAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        return resolve_model("random://mistral-tiny?seed=1", SilentProgress())
