"""A chat model in this process: llama.cpp's own server on loopback, through xllamacpp."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from gukbap.adapters.own_server_chat import OwnServerChat
from gukbap.config import Endpoint
from gukbap.errors import ModelError
from gukbap.files import sha256_file

#: llama.cpp's log level: nothing, not even errors (they come back over HTTP).
SILENT = -1
#: Memory for prompts that left their slot, in MiB (llama.cpp's own default is 8 GiB).
PROMPT_CACHE_MIB = 512


class LlamaCppChat(OwnServerChat):
    """A GGUF file as a chat model.

    Chat models of one file with the same settings share one server; it ends with the last of them.
    The prompt cache is on: prompts that begin alike are cheap. Batched decoding on a CPU adds up in
    an order that depends on what else is under way, so a seed alone does not fix a reply.

    Args:
        path: the GGUF file.
        endpoint: `context_length` tokens for each of `concurrency` calls are set aside.

    Raises:
        ModelError: xllamacpp is not installed, or the file is missing or not loadable.
    """

    def __init__(self, path: Path, endpoint: Endpoint) -> None:
        self._server = _shared_server(path, endpoint.context_length, endpoint.concurrency)
        super().__init__(
            self._server.base_url, path.stem, self._server.key, endpoint, _identity(endpoint.model, path)
        )


class _Server:
    """A running llama.cpp server; it ends when nothing refers to it any more."""

    def __init__(self, path: Path, context_length: int, concurrency: int) -> None:
        # Other users and web pages of this machine can reach loopback too.
        self.key = secrets.token_urlsafe(32)
        xllamacpp = _import_xllamacpp()
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = context_length * concurrency
        parameters.n_parallel = concurrency
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = _usable_cpus()
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.api_keys = [self.key]
        parameters.cache_prompt = True
        parameters.cache_ram_mib = PROMPT_CACHE_MIB
        parameters.verbosity = SILENT
        parameters.ui = parameters.endpoint_slots = False
        try:
            self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise ModelError(
                f"llama.cpp cannot load {path}",
                expected="a whole GGUF file of a chat model, and memory for it and for "
                f"{concurrency} × {context_length} tokens of context",
                fix="fetch the file again, or lower the endpoint's concurrency or context_length",
            ) from error
        self.base_url = f"{self._server.listening_address}/v1"


_servers: WeakValueDictionary[tuple[Path, int, int], _Server] = WeakValueDictionary()
_starting = threading.Lock()


def _shared_server(path: Path, context_length: int, concurrency: int) -> _Server:
    if not path.is_file():
        raise ModelError(f"there is no file {path}", expected="a GGUF file", fix="check the path")
    key = (path.resolve(), context_length, concurrency)
    with _starting:
        server = _servers.get(key)
        if server is None:
            server = _servers[key] = _Server(*key)
        return server


def _identity(reference: str, path: Path) -> str:
    """A catalogue model's name; a file's name and digest, so that two files never share a journal entry."""
    if reference.startswith("bundled://"):
        return reference.removeprefix("bundled://")
    return f"{path.stem}@sha256:{sha256_file(path)[:12]}"


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _import_xllamacpp() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelError(
            "a model file is to be served here, but xllamacpp is not installed",
            fix="pip install 'gukbap[local]', or give the endpoint a base_url",
        ) from error
    return xllamacpp
