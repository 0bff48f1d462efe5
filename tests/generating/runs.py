"""`gukbap generate` against the scripted teacher's server, killed and resumed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.wire import Server

ROOT = Path(__file__).parents[2]


@contextmanager
def serving(*, latency: float = 0.0, faults: float = 0.0, seed: int = 0) -> Iterator[Server]:
    """A server in a process of its own, ended with the block."""
    options = ["--latency", str(latency), "--faults", str(faults), "--seed", str(seed)]
    command = [sys.executable, "-m", "tests.generating.server", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(10)


def write_seeds(path: Path, count: int) -> Path:
    """So many different instructions, a line each."""
    topics = ("국밥", "비빔밥", "김치", "떡볶이", "한강", "한글", "설날", "윷놀이", "지하철", "도서관")
    lines = (f"{topics[number % 10]} 이야기 {number}번을 두 문단으로 써 주세요." for number in range(count))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def generate_command(server: Server, seeds: Path, output: Path, **settings: object) -> list[str]:
    """`gukbap generate`, two rounds, with the server as the teacher."""
    values = {
        "generate.seed_count": "null",
        "generate.rounds": 2,
        "teacher.model": "scripted",
        "teacher.base_url": f"{server.url}/v1",
        "teacher.licence": "Apache-2.0",
        "teacher.max_retries": 30,
        "teacher.concurrency": 32,
        "tracking.enabled": "false",
        **{key.replace("__", "."): value for key, value in settings.items()},
    }
    given = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    options = ["--recipe", "smoke", "--seeds", str(seeds), "-o", str(output), *given]
    return [sys.executable, "-m", "gukbap", "generate", *options]


def environment() -> dict[str, str]:
    """Of a command that says nothing about its progress."""
    return {**os.environ, "GUKBAP_QUIET": "1"}


def generate(server: Server, seeds: Path, output: Path, **settings: object) -> None:
    """Run the command to its end."""
    command = generate_command(server, seeds, output, **settings)
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=1800)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])


def kill_and_resume(
    server: Server, seeds: Path, output: Path, kills: int, draw: random.Random, **settings: object
) -> int:
    """Start the command, kill it (−9) at a random moment after a request, and so on; then let it end.

    Returns:
        How many processes were killed; fewer than asked for where one ended before.
    """
    command = generate_command(server, seeds, output, **settings)
    killed = 0
    for _ in range(kills):
        before = server.told()["requests"]
        process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
        while server.told()["requests"] == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.4))
        process.kill()
        killed += process.wait(30) == -9
    generate(server, seeds, output, **settings)
    return killed
