"""A chat model on a vLLM server of its own.

What is looked at here are our own edges: when the server is started, with what, and that it ends. A stand-in
plays `vllm`: it takes the same arguments and key, and serves the scripted teacher. The test at the end, which
is skipped where vLLM is not installed, has the real one.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gukbap.adapters.chat_models import open_chat
from gukbap.adapters.progress import SilentProgress
from gukbap.adapters.vllm_server import VllmChat
from gukbap.config import Endpoint
from gukbap.errors import ModelError
from gukbap.ports import Completion, Sampling
from gukbap.schemas import Message

ROOT = Path(__file__).parents[2]
MESSAGES = [Message(role="user", content="국밥이 무엇인지 한 문단으로 설명해 주세요.")]
SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=64, seed=1)
STAND_IN = """#!{python}
import asyncio, json, os, pathlib, sys
sys.path[:0] = {path!r}
from gukbap.ports import Sampling
from tests.generating.server import Teacher
from tests.wire import reply, serve
import random
options = dict(part.removeprefix("--").split("=", 1) for part in sys.argv[1:] if "=" in part)
note = pathlib.Path({folder!r}) / f"started-{{os.getpid()}}.json"
note.write_text(json.dumps({{"argv": sys.argv[1:], "key": os.environ["VLLM_API_KEY"]}}))
if "fail" in options:
    print("torch.OutOfMemoryError: the GPU is full", flush=True)
    sys.exit(3)
teacher = Teacher(0.0, 0.0, random.Random(0))
async def handle(path, raw, writer):
    if path == "/health":
        await reply(writer, 200, {{}})
    else:
        await reply(writer, 200, await teacher.written(json.loads(raw)))
    return True
asyncio.run(serve(handle, int(options["port"])))
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which each start of the stand-in leaves a note; it is the only `vllm` there."""
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(
        STAND_IN.format(python=sys.executable, path=[str(ROOT), str(ROOT / "src")], folder=str(tmp_path))
    )
    program.chmod(0o755)
    monkeypatch.setattr("gukbap.adapters.vllm_server._vllm_command", lambda: [str(program)])
    return tmp_path


def endpoint(**vllm: Any) -> Endpoint:
    return Endpoint.model_validate(
        {"model": "random://tiny-mistral?seed=1", "context_length": 1024, "concurrency": 3, "vllm": vllm}
    )


def opened(folder: Path, **vllm: Any) -> VllmChat:
    return VllmChat(folder, endpoint(**vllm), "tiny", SilentProgress())


def starts(folder: Path) -> dict[int, dict[str, Any]]:
    """What was started: process id → its arguments and key."""
    notes = sorted(folder.glob("started-*.json"))
    return {int(path.stem.partition("-")[2]): json.loads(path.read_text()) for path in notes}


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_for(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def test_the_server_starts_with_the_first_call_serves_all_and_ends_with_the_model(stand_in: Path) -> None:
    chat = opened(stand_in, gpus=2, arguments=["--enforce-eager"])
    assert starts(stand_in) == {}

    async def several(model: VllmChat) -> list[Completion]:
        return await asyncio.gather(*(model.complete(MESSAGES, SAMPLING) for _ in range(6)))

    replies = asyncio.run(several(chat)) + asyncio.run(several(chat))
    assert len(replies) == 12
    assert all(reply.text and reply.host is None for reply in replies)
    [(pid, started)] = starts(stand_in).items()
    arguments = started["argv"]
    assert {
        f"--model={stand_in}",
        "--host=127.0.0.1",
        "--served-model-name=tiny",
        "--tensor-parallel-size=2",
        "--max-model-len=1024",
        "--max-num-seqs=3",
        "--enforce-eager",
    } <= set(arguments)
    assert len(started["key"]) > 30
    assert not any(started["key"] in argument for argument in arguments)
    assert started["key"] not in repr(chat)
    assert runs(pid)
    del chat
    gc.collect()
    assert wait_for(lambda: not runs(pid))


def test_a_server_that_does_not_start_is_one_error_with_its_last_words(stand_in: Path) -> None:
    chat = opened(stand_in, arguments=["--fail=yes"])
    with pytest.raises(ModelError, match="the GPU is full") as caught:
        asyncio.run(chat.complete(MESSAGES, SAMPLING))
    assert "exit code 3" in str(caught.value)
    [started] = starts(stand_in).values()
    assert started["key"] not in str(caught.value)


def test_a_server_that_stays_silent_is_given_up(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gukbap.adapters.vllm_server._Server._answers", lambda self: False)
    with pytest.raises(ModelError, match=r"does not answer after 0\.1 s"):
        asyncio.run(opened(stand_in, start_seconds=0.1).complete(MESSAGES, SAMPLING))


def test_the_server_ends_with_a_process_that_is_killed(stand_in: Path) -> None:
    code = f"""
import asyncio, os, pathlib, time
import gukbap.adapters.vllm_server as module
from tests.adapters.test_vllm_server import MESSAGES, SAMPLING, opened
module._vllm_command = lambda: [{str(stand_in / "bin" / "vllm")!r}]
chat = opened(pathlib.Path({str(stand_in)!r}))
asyncio.run(chat.complete(MESSAGES, SAMPLING))
print("answered", flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "answered\n"
        [pid] = starts(stand_in)
        assert runs(pid)
        process.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not runs(pid))


def test_without_vllm_the_next_step_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gukbap.adapters.vllm_server.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'gukbap\[vllm\]'"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, "set one of them"),
        ({"model": "org/name"}, "no folder that vLLM can load"),
        ({"vllm": {"arguments": ["--api-key=abc"]}}, "--api-key is set by gukbap itself"),
        ({"vllm": {"gpus": 0}}, "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change: dict[str, Any], words: str) -> None:
    values = {"model": "hf://org/name@abc", "licence": "MIT", "vllm": {}, **change}
    with pytest.raises(ValidationError, match=words):
        Endpoint.model_validate(values)


@pytest.mark.vllm
@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed here")
def test_a_real_server_answers_and_ends() -> None:
    settings = endpoint(arguments=["--gpu-memory-utilization=0.3", "--enforce-eager"]).model_copy(
        update={"model": "bundled://qwen2.5-coder-1.5b-instruct"}
    )
    chat = open_chat(settings, SilentProgress())
    assert isinstance(chat, VllmChat)
    reply = asyncio.run(chat.complete(MESSAGES, SAMPLING))
    assert reply.text
    process = chat._server._process
    assert process is not None and process.poll() is None
    del chat
    gc.collect()
    assert wait_for(lambda: process.poll() is not None)
