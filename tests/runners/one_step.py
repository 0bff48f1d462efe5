"""A pipeline of the generate step alone, its scripted teacher, and runs of it."""

from __future__ import annotations

import itertools
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import MessageToDict
from kfp import dsl

from components.generate import generate
from gukbap import __version__
from gukbap.config import Recipe, settings_text
from gukbap.recipes import load_recipe
from gukbap.runners.dag import Step, read_steps
from gukbap.runners.docker import run_in_docker
from gukbap.runners.environment import stage_environment
from gukbap.runners.run_folder import RunFolder
from gukbap.runners.subprocesses import run_subprocesses
from tests import docker_images

CPU = f"{docker_images.REPOSITORY}/gukbap-cpu:{__version__}"
TRAIN = f"{docker_images.REPOSITORY}/gukbap-train:{__version__}"


class Lines:
    """Keeps what progress says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def bar(self, label: str, total: int | None, done: int = 0) -> Any:
        raise NotImplementedError("runners show no bars")


class Teacher(ThreadingHTTPServer):
    """A scripted chat server: every reply bears its number, every request is kept."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _TeacherHandler)
        self.numbers = itertools.count()
        #: reply's number → what was asked for it
        self.asked: dict[int, str] = {}
        self.keys: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _TeacherHandler(BaseHTTPRequestHandler):
    server: Teacher

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        number = next(self.server.numbers)
        self.server.asked[number] = body
        self.server.keys.add(self.headers.get("Authorization", ""))
        time.sleep(0.3)  # so that a step is long enough to be killed in its middle
        text = f"{number}번째로 드리는 답입니다. 물어보신 내용을 차근차근 풀어서 설명해 드리겠습니다."
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        reply["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are looked at, not printed."""


def recipe(url: str) -> Recipe:
    """Twelve seeds, answered one after the other by a server."""
    return load_recipe(
        "smoke",
        [
            "generate.rounds=0",
            "generate.seed_count=12",
            "teacher.model=teacher",
            f"teacher.base_url={url}",
            "teacher.licence=Apache-2.0",
            "teacher.api_key_env=TEACHER_KEY",
            "teacher.concurrency=1",
            "teacher.max_retries=0",
            "tracking.enabled=false",
        ],
    )


def one_step(recipe: Recipe, image: str) -> tuple[Any, list[Step]]:
    """The pipeline of the generate step alone, which is tried twice."""

    def wire() -> None:
        task = generate(settings=settings_text(recipe.generate_settings()))
        task.set_container_image(image)
        task.set_retry(num_retries=1, backoff_duration="0s")

    wire.__annotations__.clear()  # KFP reads them as values; here they are text
    pipeline = dsl.pipeline(name="one-step")(wire)
    return pipeline, read_steps(MessageToDict(pipeline.pipeline_spec), ["generate"])


def run(runner: str, folder: RunFolder, image: str = CPU) -> list[str]:
    """Run the one step; returns the progress lines."""
    pipeline, steps = one_step(folder.recipe, image)
    progress = Lines()
    if runner == "docker":
        run_in_docker(pipeline, steps, folder, progress, {})
    else:
        with stage_environment(folder, {}):
            run_subprocesses(pipeline, steps, folder, progress)
    return progress.said
