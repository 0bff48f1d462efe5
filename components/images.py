"""The only place with references of the project's images. The tag is the package's version."""

from __future__ import annotations

import os

from gukbap import __version__
from gukbap.config import InferConfig

#: Set GUKBAP_IMAGE_REPOSITORY at compile time to name your own registry.
REPOSITORY = os.environ.get("GUKBAP_IMAGE_REPOSITORY", "gukbap")

#: generate, clean, dedup, split, judge, report, promote: no accelerator (docker/steps.Dockerfile)
CPU = f"{REPOSITORY}/gukbap-cpu:{__version__}"
#: torch and accelerate (docker/steps.Dockerfile)
TRAIN = f"{REPOSITORY}/gukbap-train:{__version__}"
#: vLLM (docker/vllm.Dockerfile)
VLLM = f"{REPOSITORY}/gukbap-vllm:{__version__}"
#: MLflow's server, in which no step runs (docker/mlflow.Dockerfile)
MLFLOW = f"{REPOSITORY}/gukbap-mlflow:{__version__}"


def for_inference(infer: InferConfig) -> str:
    """The image that has what answering needs."""
    if infer.engine == "openai" and infer.openai_api == "completions":
        return TRAIN  # the student's tokenizer is read here
    return {"vllm": VLLM, "transformers": TRAIN, "openai": CPU}[infer.engine]
