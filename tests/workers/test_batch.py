"""Generation through batch files, answered here by the scripted teacher: the same rows as over a server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.scripted_chat import ScriptedChat
from gukbap.files import read_jsonl
from gukbap.ports import Sampling
from gukbap.schemas import Message, Row
from tests.command import gukbap
from tests.generating.runs import generate, serving, write_seeds
from tests.wire import chat_completion

SETTINGS = {
    "generate.seed_count": "null",
    "generate.rounds": 2,
    "teacher.model": "scripted",
    "teacher.licence": "Apache-2.0",
    "teacher.api_key_env": "NO_SUCH_KEY",  # a batch file needs none
    "tracking.enabled": "false",
}


def _answered(line: str) -> dict[str, Any]:
    """A line of results, as a provider writes it."""
    asked = json.loads(line)
    assert (asked["method"], asked["url"]) == ("POST", "/v1/chat/completions")
    body = asked["body"]
    messages = [Message.model_validate(message) for message in body["messages"]]
    sampling = Sampling(body["temperature"], body["top_p"], body["max_tokens"], body["seed"])
    done = asyncio.run(ScriptedChat().complete(messages, sampling))
    reply = chat_completion(
        body["model"], done.text, done.prompt_tokens, done.completion_tokens, done.finish_reason
    )
    return {
        "id": "x",
        "custom_id": asked["custom_id"],
        "response": {"status_code": 200, "body": reply},
        "error": None,
    }


@pytest.mark.slow
def test_batches_give_the_rows_of_a_server(tmp_path: Path) -> None:
    seeds = write_seeds(tmp_path / "seeds.txt", 12)
    with serving() as server:
        generate(server, seeds, tmp_path / "served")
        url = server.url
    given = [
        word
        for key, value in {**SETTINGS, "teacher.base_url": f"{url}/v1"}.items()
        for word in ("--set", f"{key}={value}")
    ]
    command = ["generate", "--recipe", "smoke", "--seeds", str(seeds), "-o", "out", *given]
    results: list[str] = []
    requests = tmp_path / "requests.jsonl"
    for number in range(12):
        done = gukbap(*command, "--batch-requests", str(requests), *results, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        if (tmp_path / "out/rows.jsonl").exists():
            break
        assert "replies are not there yet" in done.stderr
        lines = requests.read_text("utf-8").splitlines()
        answers = [_answered(line) for line in lines]
        if number == 1:  # one call fails, and is asked for again
            answers[0] = {"custom_id": answers[0]["custom_id"], "response": {"status_code": 500, "body": {}}}
        path = tmp_path / f"results-{number}.jsonl"
        path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in answers), "utf-8")
        results = ["--batch-results", str(path)]
    assert number == 8, "seeds, three batches a round, one call that failed, and the end"
    rows = read_jsonl(tmp_path / "out/rows.jsonl", Row)
    assert rows == read_jsonl(tmp_path / "served/rows.jsonl", Row)


def test_results_alone_are_a_wrong_invocation(tmp_path: Path) -> None:
    done = gukbap("generate", "-o", "out", "--batch-results", "x.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "needs --batch-requests" in done.stderr


def test_a_teacher_of_this_machine_has_no_batches(tmp_path: Path) -> None:
    done = gukbap("generate", "--recipe", "smoke", "-o", "out", "--batch-requests", "r.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "is served in this process, not by a provider" in done.stderr
