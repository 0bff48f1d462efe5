"""The infer step on files, with a real (random, tiny) model: one load, and kill -9 in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters import engines
from gukbap.files import read_json, read_jsonl
from gukbap.handover import WORK_DIR
from gukbap.recipes import load_recipe
from gukbap.schemas import STRATEGIES, Answer, Strategy
from gukbap.workers.stages import run_infer
from tests.command import gukbap

#: 6 questions under three strategies in batches of two: 18 batches, of which a kill finds some done.
OVERRIDES = ("tracking.enabled=false", "infer.batch_size=2")
COMMAND = ("infer", "--recipe", "smoke", *(part for one in OVERRIDES for part in ("--set", one)))


def answers_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("answers-*.jsonl"))}


def journal_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("work/infer-base-*/calls.jsonl"))


def test_one_load_answers_every_strategy_into_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORK_DIR, str(tmp_path / "work"))
    loads = []
    opened = engines.open_engine

    def counted(*given: Any) -> Any:
        loads.append(given)
        return opened(*given)

    monkeypatch.setattr(engines, "open_engine", counted)
    settings = load_recipe("smoke", ["tracking.enabled=false"]).infer_settings("base")
    files: dict[Strategy, Path] = {strategy: tmp_path / strategy for strategy in STRATEGIES}
    outcome = run_infer(settings, tuned=None, answers=files, statistics=tmp_path / "statistics")
    assert len(loads) == 1
    for strategy, file in files.items():
        assert {answer.strategy for answer in read_jsonl(file, Answer)} == {strategy}
    assert outcome.metadata["rows"] == outcome.statistics["answers"] == 18
    assert outcome.metrics["strategies.1-shot.answers"] == 6
    assert read_json(tmp_path / "statistics") == outcome.statistics


@pytest.mark.slow
def test_a_run_killed_in_its_middle_goes_on_to_the_same_files(tmp_path: Path) -> None:
    whole = gukbap(*COMMAND, "-o", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "gukbap", *COMMAND, "-o", "killed"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    # Under the second of three strategies: the first one's answers are done, and no file is there yet.
    while process.poll() is None and journal_of(tmp_path / "killed").count(b"\n") < 15:
        assert time.monotonic() < deadline, "answering never began"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left = journal_of(tmp_path / "killed")
    assert 15 <= left.count(b"\n") < 36
    assert answers_in(tmp_path / "killed") == {}

    resumed = gukbap(*COMMAND, "-o", "killed", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert list(answers_in(tmp_path / "whole")) == sorted(f"answers-{name}.jsonl" for name in STRATEGIES)
    assert answers_in(tmp_path / "killed") == answers_in(tmp_path / "whole")
    # What stood in the journal was not generated again, but for the batch in which the kill came.
    now = journal_of(tmp_path / "killed")
    recorded = left[: left.rfind(b"\n") + 1]
    assert now.startswith(recorded)
    assert now == journal_of(tmp_path / "whole")
    tokens = sum(json.loads(line)["value"]["completion_tokens"] for line in recorded.splitlines())
    everything = sum(json.loads(line)["value"]["completion_tokens"] for line in now.splitlines())
    again = read_json(tmp_path / "killed" / "statistics.json")["timing"]["generated_tokens"]
    assert everything - tokens <= again <= everything - tokens + 16


def test_a_strategy_that_is_asked_later_uses_what_was_answered(tmp_path: Path) -> None:
    one = gukbap(*COMMAND, "--strategy", "1-shot", "-o", "out", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    first = answers_in(tmp_path / "out")
    assert list(first) == ["answers-1-shot.jsonl"]
    both = gukbap(*COMMAND, "--strategy", "default", "--strategy", "1-shot", "-o", "out", cwd=tmp_path)
    assert both.returncode == 0, both.stderr
    after = answers_in(tmp_path / "out")
    assert list(after) == ["answers-1-shot.jsonl", "answers-default.jsonl"]
    assert after["answers-1-shot.jsonl"] == first["answers-1-shot.jsonl"]
    tokens = sum(
        sum(answer.completion_tokens)
        for answer in read_jsonl(tmp_path / "out" / "answers-default.jsonl", Answer)
    )
    assert read_json(tmp_path / "out" / "statistics.json")["timing"]["generated_tokens"] == tokens
