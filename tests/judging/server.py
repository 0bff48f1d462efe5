"""A judge that replays stored judgements, with faults on demand: an OpenAI-compatible server on loopback.

    python -m tests.judging.server --evaluated FOLDER --port 0 [--latency 0.2] [--faults 0.05]

It finds the stored verdict by the answers in the prompt. Malformed replies follow from the prompt and the
seed alone, so that they are the same in every run; errors, busy replies and broken connections are drawn.
GET /told says how often each prompt got a good reply, GET /reset forgets that. It prints its port.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.wire import chat_completion, reply, serve

MALFORMED = "이 답변은 평가하기 어렵습니다."


@dataclass
class Replay:
    """Stored verdicts by (first answer, second answer or None), and what was told."""

    verdicts: dict[tuple[str, str | None], str]
    latency: float
    faults: float
    generator: random.Random
    told: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def reply(self, body: dict[str, object]) -> str:
        """The judge's text for a request; an unknown prompt is a mistake of the test."""
        user = body["messages"][1]["content"]  # type: ignore[index]  # a chat request as json
        parts = user.split("**모델의 답변**\n<답변>\n")[1:]
        shown = [part.split("\n</답변>")[0] for part in parts]
        return self.verdicts[shown[0], shown[1] if len(shown) > 1 else None]


def stored_verdicts(folder: Path) -> dict[tuple[str, str | None], str]:
    """Every stored judgement as a judge would write it."""
    from gukbap.stages.judge import shown_answer

    verdicts: dict[tuple[str, str | None], str] = {}
    for path in sorted(folder.rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            row = json.loads(line)
            first, second = (shown_answer(text, 10**9) for text in row["outputs"][:2])
            for key, place in (("query_single", (first, None)), ("query_multi", (first, second))):
                verdict = row[key]
                verdicts[place] = f"평가: {verdict['judge_message']}\n점수: {verdict['judge_score']}"
    return verdicts


async def handle(replay: Replay, path: str, raw: bytes, writer: asyncio.StreamWriter) -> bool:
    """One request."""
    if path == "/told":
        await reply(writer, 200, {"requests": replay.requests, "told": dict(replay.told)})
    elif path == "/reset":
        replay.told.clear()
        replay.requests = 0
        await reply(writer, 200, {})
    else:
        return await _judge(replay, raw, writer)
    return True


async def _judge(replay: Replay, raw: bytes, writer: asyncio.StreamWriter) -> bool:
    """Answer one judge call; False: the connection breaks."""
    replay.requests += 1
    await asyncio.sleep(replay.latency)
    body = json.loads(raw)
    kind = replay.generator.random() / replay.faults if replay.faults else 9.0
    if kind < 1:
        await reply(writer, 500, {"error": {"message": "made-up failure"}})
        return True
    if kind < 2:
        await reply(writer, 429, {"error": {"message": "made-up load"}}, "Retry-After: 0.1\r\n")
        return True
    if kind < 2.6:
        return False
    text = replay.reply(body)
    digest = hashlib.sha256(json.dumps([body["messages"], body["seed"]]).encode()).digest()
    if digest[0] < 256 * replay.faults:
        text = MALFORMED
    await reply(writer, 200, chat_completion(body["model"], text, 100, 20, "stop"))
    # Counted when it was handed to the connection: one that breaks after that is the client's loss.
    replay.told[digest.hex()] += 1
    return True


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--evaluated", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    verdicts = stored_verdicts(options.evaluated)
    replay = Replay(verdicts, options.latency, options.faults, random.Random(options.seed))
    asyncio.run(serve(partial(handle, replay), options.port))


if __name__ == "__main__":
    main()
