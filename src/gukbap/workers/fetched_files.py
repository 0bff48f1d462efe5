"""Single files where a step runs: what lies in a bucket or on the hub is fetched first."""

from __future__ import annotations

import re
from pathlib import Path

from gukbap.errors import InputError, ModelError
from gukbap.ports import Progress

_ON_THE_HUB = re.compile(
    r"^hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?/(?P<file>[\w./ -]+)$"
)


def local_file(reference: str, progress: Progress, kind: str) -> str:
    """A reference as a local one: what lies in a bucket or on the hub becomes the file it is fetched to.

    Args:
        reference: s3://bucket/key, hf://datasets/ORG/NAME@REVISION/FILE; any other is given back as it is.
        progress: where the download is shown.
        kind: what the file is, for messages ("seed file").

    Raises:
        InputError: the reference is malformed, or nothing lies there.
        StoreError: the store cannot be reached or refuses the keys.
    """
    if reference.startswith("s3://"):
        return str(_from_bucket(reference, progress, kind))
    if reference.startswith("hf://"):
        return str(_from_hub(reference, kind))
    return reference


def local_seeds(reference: str, progress: Progress) -> str:
    """Seeds as `local_file` has them; s3://bucket/prefix/ brings all objects under it, as a folder."""
    if reference.startswith("s3://") and reference.endswith("/"):
        return str(_folder_from_bucket(reference, progress, "seed files"))
    return local_file(reference, progress, "seed file")


def _folder_from_bucket(reference: str, progress: Progress, kind: str) -> Path:
    from gukbap.adapters.bucket_models import download_model

    try:
        return download_model(reference, progress)
    except ModelError as error:
        raise InputError(
            f"there is no object {reference}",
            expected=f"s3://bucket/… of {kind}",
            fix="check the key, or upload the file",
        ) from error


def _from_bucket(reference: str, progress: Progress, kind: str) -> Path:
    folder = _folder_from_bucket(reference, progress, f"one {kind}")
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) != 1:
        raise InputError(
            f"{len(files)} objects lie under {reference}", expected=f"s3://bucket/key of one {kind}"
        )
    return files[0]


def _from_hub(reference: str, kind: str) -> Path:
    match = _ON_THE_HUB.match(reference)
    if not match:
        raise InputError(
            f"{reference!r} is malformed as the reference of a {kind}",
            expected="hf://datasets/ORG/NAME@REVISION/FILE.jsonl",
        )
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(match["repo"], match["file"], repo_type="dataset", revision=match["revision"])
    # The client's errors are of several families (HTTP, validation, OS), all ending here.
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
        raise InputError(
            f"{reference} cannot be had ({type(error).__name__}: {reason})",
            expected="a file of a data set that this machine may read, or that lies in the hub's cache",
            fix="check the name, the network, HF_HUB_OFFLINE, and for gated data sets HF_TOKEN",
        ) from error
    return Path(path)
