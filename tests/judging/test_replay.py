"""The judge stage against a server that replays LogicKor's stored judgements, with faults and kills."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from gukbap.files import read_jsonl
from gukbap.schemas import CATEGORIES, Judgement
from gukbap.stages.judge.verdict import NO_SCORE
from gukbap.stages.scores import score_table
from tests.judging.replay import EVALUATED, judge_command, serving, write_answers
from tests.wire import Server

pytestmark = pytest.mark.skipif(
    not EVALUATED.exists(), reason="LogicKor's stored judgements are not beside the checkout"
)
#: the model card: six categories, single, multi, overall
CARD = {
    "default": [4.43, 3.00, 9.36, 7.43, 8.21, 3.93, 6.40, 5.71, 6.06],
    "1-shot": [5.50, 4.50, 8.50, 8.29, 8.29, 4.50, 7.31, 5.88, 6.60],
    "cot-1-shot": [5.50, 2.57, 8.57, 8.57, 7.79, 3.57, 6.69, 5.50, 6.10],
}
KILLS = 20


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "GUKBAP_JUDGE_CACHE": str(cache), "GUKBAP_QUIET": "1"}


def judge(server: Server, answers: list[Path], output: Path, cache: Path) -> list[Judgement]:
    command = judge_command(server, answers, output)
    done = subprocess.run(command, env=environment(cache), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return read_jsonl(output / "judgements.jsonl", Judgement)


def test_replayed_judgements_give_the_card_and_a_second_run_asks_nothing(tmp_path: Path) -> None:
    answers = write_answers(tmp_path)
    with serving() as server:
        judgements = judge(server, answers, tmp_path / "a", tmp_path / "cache")
        assert (len(judgements), server.told()["requests"]) == (252, 252)
        table = score_table(judgements)
        for row in table.rows:
            cells = [
                *(row.categories[category] for category in CATEGORIES),
                row.single,
                row.multi,
                row.overall,
            ]
            assert [round(cell or -1, 2) for cell in cells] == CARD[row.strategy]
        server.reset()
        again = judge(server, answers, tmp_path / "b", tmp_path / "cache")
        assert (again, server.told()["requests"]) == (judgements, 0)


def test_with_faults_every_turn_is_scored_or_explained_and_none_is_judged_twice(tmp_path: Path) -> None:
    answers = write_answers(tmp_path)
    with serving() as server:
        whole = judge(server, answers, tmp_path / "whole", tmp_path / "cache-whole")
    with serving(faults=0.05, seed=3) as server:
        judgements = judge(server, answers, tmp_path / "faults", tmp_path / "cache")
        told = server.told()
    # Every good reply that was given belongs to one judgement: none was asked for twice.
    assert told["requests"] > 252 and sum(told["told"].values()) == sum(j.calls or 0 for j in judgements)
    assert any((j.calls or 0) > 1 for j in judgements)
    for judgement, clean in zip(judgements, whole, strict=True):
        assert judgement.score == clean.score or judgement.unscored_reason == NO_SCORE


@pytest.mark.slow
def test_killed_at_twenty_moments_it_ends_with_the_same_file(tmp_path: Path) -> None:
    answers = write_answers(tmp_path)
    generator = random.Random(11)
    with serving(latency=0.15, faults=0.05, seed=5) as server:
        judge(server, answers, tmp_path / "whole", tmp_path / "cache-whole")
        server.reset()
        kills = _kill_and_resume(server, answers, tmp_path, generator)
        judge(server, answers, tmp_path / "killed", tmp_path / "cache")
        told = server.told()["told"]
    whole, killed = ((tmp_path / name / "judgements.jsonl").read_bytes() for name in ("whole", "killed"))
    assert kills == KILLS and killed == whole
    # A reply that was under way when the process was killed had not been counted; nothing else is repeated.
    assert sum(count - 1 for count in told.values()) <= KILLS * 4


def _kill_and_resume(server: Server, answers: list[Path], folder: Path, generator: random.Random) -> int:
    """Start the command, kill it at a random moment after its first reply, and so on."""
    command = judge_command(server, answers, folder / "killed", concurrency=4)
    kills = 0
    for _ in range(KILLS):
        before = server.told()["requests"]
        process = subprocess.Popen(command, env=environment(folder / "cache"), stderr=subprocess.DEVNULL)
        while server.told()["requests"] == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 0.3))
        process.kill()
        kills += process.wait(30) == -9
    return kills


def test_the_key_is_nowhere_in_what_is_kept(tmp_path: Path) -> None:
    key = "sk-never-to-be-seen-12345"
    answers = write_answers(tmp_path)[:1]
    with serving() as server:
        command = [
            *judge_command(server, answers, tmp_path / "out"),
            "--set",
            "judge.endpoint.api_key_env=JUDGE_KEY",
        ]
        done = subprocess.run(
            command, env={**environment(tmp_path / "cache"), "JUDGE_KEY": key}, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert key not in done.stdout + done.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in kept} >= {"judgements.jsonl", "calls.jsonl", "statistics.json"}
    assert not [path for path in kept if key.encode() in path.read_bytes()]
    assert json.loads((tmp_path / "out/statistics.json").read_text())["scored"] == 84
