"""The only place with image references. The tag is the package's version."""

from __future__ import annotations

import os

from gukbap import __version__

#: Set GUKBAP_IMAGE_REPOSITORY at compile time to name your own registry.
REPOSITORY = os.environ.get("GUKBAP_IMAGE_REPOSITORY", "gukbap")

#: generate, dedup, split, judge, report: no accelerator (docker/cpu.Dockerfile)
CPU = f"{REPOSITORY}/gukbap-cpu:{__version__}"
#: torch and accelerate (docker/train.Dockerfile)
TRAIN = f"{REPOSITORY}/gukbap-train:{__version__}"
#: vLLM (docker/vllm.Dockerfile)
VLLM = f"{REPOSITORY}/gukbap-vllm:{__version__}"


def for_engine(engine: str) -> str:
    """The image that has what an inference engine needs."""
    return {"vllm": VLLM, "transformers": TRAIN, "openai": CPU}[engine]
