"""The scripted teacher as an OpenAI-compatible server on loopback, with faults on demand. It is not a model.

    python -m tests.generating.server [--port 0] [--latency 0.1] [--faults 0.05] [--seed 0]

Of all requests a share of `faults` each gets: 500, 429 with Retry-After, a reply that is cut in the middle of
its JSON, one of a wrong schema, a connection that breaks. GET /told says how many requests there were and how
often each one (its body) got a good reply, and how many seconds lie between the first request and the last
good reply; GET /reset forgets that. It prints its port.
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
from typing import Any

from gukbap.adapters.scripted_chat import ScriptedChat
from gukbap.ports import Sampling
from gukbap.schemas import Message
from tests.wire import chat_completion, reply, reply_raw, serve


@dataclass
class Teacher:
    """The script, its faults, and what was told."""

    latency: float
    faults: float
    generator: random.Random
    script: ScriptedChat = field(default_factory=ScriptedChat)
    told: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    #: when the first request came and the last good reply went, on a clock of its own
    first: float | None = None
    last: float = 0.0

    async def written(self, body: dict[str, Any]) -> object:
        """A reply to a request."""
        messages = [Message.model_validate(message) for message in body["messages"]]
        sampling = Sampling(  # what another client leaves out does not matter to a script
            temperature=float(body.get("temperature") or 0),
            top_p=float(body.get("top_p") or 1),
            max_tokens=int(body.get("max_tokens") or 512),
            seed=int(body.get("seed") or 0),
        )
        done = await self.script.complete(messages, sampling)
        tokens = (done.prompt_tokens, done.completion_tokens)
        return chat_completion(body["model"], done.text, *tokens, done.finish_reason)


async def handle(teacher: Teacher, path: str, raw: bytes, writer: asyncio.StreamWriter) -> bool:
    """One request; False breaks the connection."""
    if path == "/told":
        seconds = teacher.last - teacher.first if teacher.first is not None else 0.0
        told = {"requests": teacher.requests, "told": dict(teacher.told), "seconds": seconds}
        await reply(writer, 200, told)
        return True
    if path == "/reset":
        teacher.told.clear()
        teacher.requests, teacher.first = 0, None
        await reply(writer, 200, {})
        return True
    teacher.requests += 1
    now = asyncio.get_running_loop().time
    teacher.first = teacher.first or now()
    due = now() + teacher.latency
    kind = teacher.generator.random() / teacher.faults if teacher.faults else 9.0
    # Written before the wait: what that takes is no part of the latency.
    written = await teacher.written(json.loads(raw)) if kind >= 2 else None
    await asyncio.sleep(due - now())
    if kind < 1:
        await reply(writer, 500, {"error": {"message": "made-up failure"}})
    elif kind < 2:
        await reply(writer, 429, {"error": {"message": "made-up load"}}, "Retry-After: 0.05\r\n")
    elif kind < 3:
        whole = json.dumps(written).encode()
        await reply_raw(writer, 200, whole[: len(whole) // 2])
    elif kind < 4:
        await reply(writer, 200, {"object": "chat.completion", "choices": "none"})
    elif kind < 5:
        return False
    else:
        await reply(writer, 200, written)
        # Counted when it was handed to the connection: one that breaks after that is the client's loss.
        teacher.told[hashlib.sha256(raw).hexdigest()] += 1
        teacher.last = now()
    return True


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    teacher = Teacher(options.latency, options.faults, random.Random(options.seed))
    asyncio.run(serve(partial(handle, teacher), options.port))


if __name__ == "__main__":
    main()
