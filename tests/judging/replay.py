"""Stored judgements as answers to judge again, and the replay server as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gukbap.files import write_jsonl
from gukbap.schemas import STRATEGIES, Answer, Question
from tests.wire import Server

ROOT = Path(__file__).parents[2]
EVALUATED = ROOT / "../shared/data/logickor/evaluated"
MODEL = "HumanF-MarkrAI/Gukbap-Mistral-7B"


def write_answers(folder: Path) -> list[Path]:
    """The stored answers of the card's model as answers files, one a strategy."""
    paths = []
    for strategy in STRATEGIES:
        lines = (EVALUATED / MODEL / f"{strategy}.jsonl").read_text(encoding="utf-8-sig").splitlines()
        answers = [
            Answer(
                question=Question(
                    id=row["id"],
                    category=row["category"],
                    questions=row["questions"][:2],
                    references=[text or None for text in row["references"][:2]],
                ),
                subject="tuned",
                strategy=strategy,
                model=MODEL,
                outputs=row["outputs"][:2],
                finish_reasons=["stop", "stop"],
                prompt_tokens=[1, 1],
                completion_tokens=[1, 1],
            )
            for row in map(json.loads, lines)
        ]
        path = folder / f"answers-{strategy}.jsonl"
        write_jsonl(path, answers)
        paths.append(path)
    return paths


@contextmanager
def serving(*, latency: float = 0.0, faults: float = 0.0, seed: int = 0) -> Iterator[Server]:
    """A replay server in a process of its own, ended with the block."""
    command = [sys.executable, "-m", "tests.judging.server", "--evaluated", str(EVALUATED / MODEL)]
    options = ["--latency", str(latency), "--faults", str(faults), "--seed", str(seed)]
    process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(10)


def judge_command(server: Server, answers: list[Path], output: Path, concurrency: int = 32) -> list[str]:
    """`gukbap judge` over answers files with the replay server as the judge."""
    settings = {
        "judge.endpoint.model": "replay",
        "judge.endpoint.base_url": f"{server.url}/v1",
        "judge.endpoint.concurrency": concurrency,
        "judge.endpoint.max_retries": 8,
        "judge.allow_teacher_as_judge": "false",
        "judge.max_answer_chars": 1000000,
        "tracking.enabled": "false",
    }
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    files = [str(path) for path in answers]
    return [sys.executable, "-m", "gukbap", "judge", *files, "--recipe", "smoke", "-o", str(output), *given]
