"""A chat model on a vLLM server of its own: started with the first call, ended with the model."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gukbap.adapters.local_servers.ports import LOOPBACK, any_free
from gukbap.adapters.own_server_chat import OwnServerChat
from gukbap.config import Endpoint, VllmServer
from gukbap.errors import ModelError
from gukbap.ports import Completion, Progress, Sampling
from gukbap.schemas import Message

#: how long the server and its engines may take to end after SIGTERM
END_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 1.0
_LINES_SHOWN = 15


class VllmChat(OwnServerChat):
    """A model folder that vLLM serves on loopback, for this process alone.

    Nothing is started where every reply stands in the journal. The server ends when nothing refers to the
    model any more, and with this process, even where that is killed.

    Args:
        folder: weights, configuration and tokenizer.
        endpoint: with `vllm`; `context_length` tokens are the longest call, `concurrency` calls are under
            way at once.
        name: the model's identity.
        progress: where it is told that the server starts.

    Raises:
        ModelError: vLLM is not installed.
    """

    def __init__(self, folder: Path, endpoint: Endpoint, name: str, progress: Progress) -> None:
        if endpoint.vllm is None:
            raise ValueError(f"{endpoint.model} is not to be served by vLLM")
        self._server = _Server(folder, endpoint, endpoint.vllm, name, progress)
        super().__init__(f"http://{LOOPBACK}:{self._server.port}/v1", name, self._server.key, endpoint, name)
        self._starting = asyncio.Lock()

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Send one conversation to the server; raises as OpenAIChat does.

        Raises:
            ModelError: the server does not start.
        """
        if not self._server.is_ready:
            async with self._starting:
                await self._server.start()
        return await super().complete(messages, sampling)


class _Server:
    def __init__(
        self, folder: Path, endpoint: Endpoint, settings: VllmServer, name: str, progress: Progress
    ) -> None:
        # Other users and web pages of this machine can reach loopback too.
        self.key = secrets.token_urlsafe(32)
        self.port = any_free(1)[0]
        self.is_ready = False
        self._settings, self._folder, self._progress = settings, folder, progress
        self._command = [
            *_vllm_command(),
            f"--model={folder}",
            f"--host={LOOPBACK}",
            f"--port={self.port}",
            f"--served-model-name={name}",
            f"--tensor-parallel-size={settings.gpus}",
            f"--max-model-len={endpoint.context_length}",
            f"--max-num-seqs={endpoint.concurrency}",
            *settings.arguments,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path(tempfile.mkdtemp(prefix="gukbap-vllm-")) / "server.log"
        weakref.finalize(self, shutil.rmtree, self._log.parent, ignore_errors=True)

    async def start(self) -> None:
        """Start the server, unless it runs, and wait until it answers."""
        if self.is_ready:
            return
        begun = time.monotonic()
        if self._process is None:
            self._process = self._started()
        while not await asyncio.to_thread(self._answers):
            if self._process.poll() is not None:
                raise self._failure(f"ended with exit code {self._process.returncode}")
            if time.monotonic() - begun > self._settings.start_seconds:
                raise self._failure(f"does not answer after {self._settings.start_seconds:g} s")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        self.is_ready = True
        self._progress.say(f"vLLM answers after {time.monotonic() - begun:.0f} s")

    def _started(self) -> subprocess.Popen[bytes]:
        self._progress.say(f"vLLM starts with {self._folder}")
        # Through a process that ends with this one and becomes vLLM.
        tied = [sys.executable, "-m", "gukbap.adapters.tied_process", str(os.getpid()), *self._command]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                tied,
                env={**os.environ, "VLLM_API_KEY": self.key, "DO_NOT_TRACK": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        weakref.finalize(self, _end, process)
        return process

    def _answers(self) -> bool:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                f"http://{LOOPBACK}:{self.port}/health", timeout=5
            ):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def _failure(self, what: str) -> ModelError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = "\n".join(lines[-_LINES_SHOWN:]).replace(self.key, "***") or "nothing"
        return ModelError(
            f"vLLM's server {what}; its last words:\n{shown}",
            expected="room for the model, its context_length and concurrency on teacher.vllm.gpus GPUs",
            fix="mend vllm.gpus, vllm.arguments or context_length, then resume",
        )


def _vllm_command() -> list[str]:
    if importlib.util.find_spec("vllm") is None:
        raise ModelError(
            "vLLM is not installed here",
            fix="pip install 'gukbap[vllm]' in its own environment, or name a server as base_url",
        )
    # Not the program vllm: builds for CPUs have another package name, which it looks up and does not find.
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and its engines: they share its session."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
