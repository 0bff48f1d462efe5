"""Model references (bundled://, hf://, file://, s3://, random://) and the local files behind them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs

from gukbap.adapters.gguf_conversion import converted_folder
from gukbap.adapters.model_cache import cache_folder
from gukbap.adapters.model_catalogue import catalogue_entry
from gukbap.adapters.model_fetch import fetch, hub_is_off
from gukbap.adapters.random_models import random_model
from gukbap.errors import ModelError
from gukbap.files import canonical_json, read_json, sha256_file, sha256_text, write_json
from gukbap.ports import Progress

_SCHEMES = "bundled://NAME, hf://org/name@revision, file://PATH, s3://bucket/prefix or random://NAME?seed=N"
_HUB = re.compile(r"^(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?$")
#: What decides how a model answers: configuration, weights, tokenizer, template.
_MODEL_FILES = ("*.safetensors", "*.bin", "*config.json", "*.index.json", "*.model", "*.jinja", "*.gguf")
_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)


def resolve_model(uri: str, progress: Progress) -> Path:
    """The local folder behind a model reference, which transformers can load.

    Fetched, converted and made once; later calls only look into the cache.

    Raises:
        ModelError: the reference is malformed, or the model cannot be found, fetched or verified.
    """
    scheme, rest = _parse(uri)
    if scheme == "bundled":
        identity = f"{rest}-{catalogue_entry(rest).sha256[:12]}"
        return converted_folder(fetch(rest, progress), identity, progress)
    if scheme == "hf":
        return _from_hub(rest)
    if scheme == "random":
        return _random(uri, rest, progress)
    if scheme == "s3":
        return _transformers_folder(_from_bucket(uri, progress), uri, progress)
    return _transformers_folder(_existing(rest), uri, progress)


def resolve_gguf(uri: str, progress: Progress) -> Path:
    """The local GGUF file behind a model reference, which llama.cpp can load.

    Raises:
        ModelError: the reference is malformed, or there is no such file.
    """
    scheme, rest = _parse(uri)
    if scheme == "bundled":
        return fetch(rest, progress)
    if scheme not in ("file", "s3"):
        raise ModelError(
            f"llama.cpp cannot serve {uri}",
            expected="bundled://NAME, file://PATH.gguf or s3://bucket/key.gguf",
        )
    path = _existing(rest) if scheme == "file" else _from_bucket(uri, progress)
    found = sorted(path.glob("*.gguf")) if path.is_dir() else [path]
    if len(found) != 1 or not _is_gguf(found[0]):
        raise ModelError(f"{uri} is not a GGUF file", expected="one file in llama.cpp's GGUF format")
    return found[0]


def model_fingerprint(folder: Path) -> str:
    """SHA-256 over a model folder's configuration, weights, tokenizer and chat template.

    Equal models have equal fingerprints wherever they lie. The result is remembered in the cache
    for as long as no file changes its size or time, since hashing 15 GB of weights takes a while.
    """
    paths = sorted({path for pattern in (*_MODEL_FILES, *_TOKENIZER_FILES) for path in folder.glob(pattern)})
    if not paths:
        raise ModelError(f"{folder} holds no model", expected="a folder with config.json and weights")
    state = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    memory = cache_folder() / "fingerprints" / f"{sha256_text(str(folder.resolve()))[:32]}.json"
    if memory.is_file():
        remembered = read_json(memory)
        if remembered["state"] == state:
            return str(remembered["fingerprint"])
    fingerprint = sha256_text(canonical_json({path.name: sha256_file(path) for path in paths}))
    write_json(memory, {"state": state, "fingerprint": fingerprint})
    return fingerprint


def _parse(uri: str) -> tuple[str, str]:
    scheme, separator, rest = uri.partition("://")
    if not separator or not rest or scheme not in ("bundled", "hf", "file", "s3", "random"):
        raise ModelError(f"{uri!r} is not a model reference", expected=_SCHEMES)
    return scheme, rest


def _existing(path: str) -> Path:
    found = Path(path).expanduser()
    if not found.exists():
        raise ModelError(
            f"there is no {found}", expected="a model folder or a GGUF file", fix="check the path"
        )
    return found.resolve()


def _transformers_folder(path: Path, uri: str, progress: Progress) -> Path:
    if path.is_dir() and (path / "config.json").is_file():
        return path
    gguf = sorted(path.glob("*.gguf")) if path.is_dir() else [path]
    if len(gguf) == 1 and _is_gguf(gguf[0]):
        return converted_folder(gguf[0], f"{gguf[0].stem}-{sha256_file(gguf[0])[:12]}", progress)
    raise ModelError(
        f"{uri} holds no model", expected="a folder with config.json, weights and tokenizer, or one GGUF file"
    )


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


def _from_hub(reference: str) -> Path:
    match = _HUB.match(reference)
    if not match:
        raise ModelError(f"hf://{reference} is malformed", expected="hf://org/name@revision")
    from huggingface_hub import snapshot_download

    offline = hub_is_off()
    try:
        return Path(
            snapshot_download(
                match["repo"],
                revision=match["revision"],
                allow_patterns=["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"],
                local_files_only=offline,
            )
        )
    # The client's errors are of several families (HTTP, validation, OS), all ending here.
    except Exception as error:
        if offline:
            raise ModelError(
                f"hf://{reference} is not in the local hub cache, and HF_HUB_OFFLINE is set",
                fix="unset HF_HUB_OFFLINE, or give a local folder as file://PATH",
            ) from error
        raise ModelError(
            f"hf://{reference} cannot be had ({type(error).__name__}: {_first_line(error)})",
            expected="an existing repository and revision that this machine may read",
            fix="check the name, the network, and for gated models HF_TOKEN; or use file://PATH",
        ) from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")


def _random(uri: str, rest: str, progress: Progress) -> Path:
    name, _, query = rest.partition("?")
    values = parse_qs(query, keep_blank_values=True)
    seeds = values.pop("seed", ["0"])
    if values or len(seeds) != 1 or not seeds[0].isdecimal():
        raise ModelError(f"{uri} is malformed", expected="random://mistral-tiny?seed=N, N a whole number")
    return random_model(name, int(seeds[0]), progress)


def _from_bucket(uri: str, progress: Progress) -> Path:
    from gukbap.adapters.bucket_models import download_model

    return download_model(uri, progress)
