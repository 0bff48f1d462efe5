"""252 judgements at concurrency 32 against a server with 200 ms latency, and again.

    python bench/judge_speed.py [--runs 3]

The server replays stored judgements (../shared/data/logickor). The ideal is calls × latency / concurrency;
wanted is at most 1.2 times that for the judge stage, journals and all, and no request in a second run. The
peer is the plain way: the official client behind a semaphore, nothing kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import openai

sys.path.insert(0, str(Path(__file__).parents[1]))

from gukbap.adapters.openai_chat import OpenAIChat
from gukbap.adapters.progress import SilentProgress
from gukbap.config import Endpoint, JudgeConfig, JudgeSettings
from gukbap.files import read_jsonl
from gukbap.journal import Journal
from gukbap.schemas import Answer
from gukbap.stages.judge import JudgeResult, judge, judge_messages
from tests.judging.replay import serving, write_answers
from tests.wire import Server

LATENCY, CONCURRENCY, WANTED = 0.2, 32, 1.2
MOST_CHARS = 1_000_000


def project(server: Server, answers: list[Answer], folder: Path) -> tuple[float, JudgeResult]:
    """Seconds of the judge stage with its journal and its cache on the disk."""
    endpoint = Endpoint(model="replay", base_url=f"{server.url}/v1", concurrency=CONCURRENCY)
    settings = JudgeSettings(seed=1, judge=JudgeConfig(endpoint=endpoint, max_answer_chars=MOST_CHARS))
    start = time.perf_counter()
    with (
        Journal(folder / "calls.jsonl") as journal,
        Journal(folder / "cache.jsonl", shared=True) as cache,
    ):
        model = OpenAIChat.from_endpoint(endpoint)
        result = judge(settings, answers, model, journal, SilentProgress(), cache=cache)
    return time.perf_counter() - start, result


async def peer(server: Server, answers: list[Answer]) -> float:
    """Seconds of the same calls without anything kept."""
    client = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none")
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(answer: Answer, turn: int) -> None:
        messages = judge_messages(answer, 1 if turn == 1 else 2, MOST_CHARS)
        async with gate:
            await client.chat.completions.create(
                model="replay",
                messages=[{"role": m.role, "content": m.content} for m in messages],  # type: ignore[misc] # as OpenAIChat
                temperature=0,
                seed=1,
            )

    start = time.perf_counter()
    await asyncio.gather(*(one(answer, turn) for answer in answers for turn in (1, 2)))
    seconds = time.perf_counter() - start
    await client.close()
    return seconds


def main() -> None:
    """Run peer and project in turn; print each, the best, and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name, serving(latency=LATENCY) as server:
        folder = Path(name)
        answers = [record for path in write_answers(folder) for record in read_jsonl(path, Answer)]
        calls = 2 * len(answers)
        ideal = calls * LATENCY / CONCURRENCY
        ours, theirs = [], []
        for number in range(runs):
            theirs.append(asyncio.run(peer(server, answers)))
            server.reset()
            seconds, result = project(server, answers, folder / str(number))
            ours.append(seconds)
            sent = server.told()["requests"]
            server.reset()
            again, _ = project(server, answers, folder / str(number))
            print(
                f"peer {theirs[-1]:.2f} s, gukbap {seconds:.2f} s, {result.statistics['scored']} of {calls} "
                f"scored in {sent} requests; again {again:.2f} s in {server.told()['requests']} requests"
            )
    best, other = min(ours) / ideal, min(theirs) / ideal
    print(f"ideal {ideal:.3f} s; best of {runs}: peer {other:.2f}×, gukbap {best:.2f}×")
    print(f"ratio gukbap / peer {best / other:.2f}; wanted at most {WANTED}× of the ideal")


if __name__ == "__main__":
    main()
