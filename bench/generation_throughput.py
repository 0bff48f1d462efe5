"""Generation against a server with 100 ms latency (--latency) at concurrency 64: calls a second, and memory.

    python bench/generation_throughput.py [--seeds 1500] [--latency 0.1] [--memory-seeds 1000 100000] [--cpu]

The limit is concurrency / latency; wanted are 90 % of it for the calls of a stage, journal and all. Two rates
are told: of the stage from its first line to its last, with reading seeds and writing rows, and of the time
in which calls go out, as the server has it: from the first request to the last reply. The peer is the plain
way: the official client behind a semaphore, nothing kept. The server plays the scripted teacher and needs a
core of its own: on two cores that are shared the client is what is measured.
With --memory-seeds the peak of the process's memory is printed for each number of seeds (latency 0), with
--cpu the time of a core that a call takes in the client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import openai

sys.path.insert(0, str(Path(__file__).parents[1]))

from gukbap.adapters.openai_chat import OpenAIChat
from gukbap.config import GenerateConfig
from gukbap.stages.generate.conversations import answer_messages, answer_sampling
from tests.generating.runs import environment, generate_command, serving, write_seeds
from tests.wire import Server

LATENCY, CONCURRENCY, WANTED = 0.1, 64, 0.9


Call = Callable[[int, str], Awaitable[object]]


def plain(client: openai.AsyncOpenAI) -> Call:
    """Calls through the official client."""
    config = GenerateConfig()

    async def call(number: int, text: str) -> object:
        sampling = answer_sampling(config, number)
        return await client.chat.completions.create(
            model="scripted",
            messages=[{"role": m.role, "content": m.content} for m in answer_messages(text, 512)],  # type: ignore[misc] # as OpenAIChat
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=512,
            seed=number,
        )

    return call


async def at_once(call: Call, texts: list[str]) -> tuple[float, float]:
    """Seconds, and seconds of a core, for a call for each text; what comes back is not kept."""
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(number: int, text: str) -> None:
        async with gate:
            await call(number, text)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(number, text) for number, text in enumerate(texts)))
    return time.perf_counter() - start, time.process_time() - cpu


async def peer(server: Server, texts: list[str]) -> float:
    """Seconds for as many plain calls as there are texts."""
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        return (await at_once(plain(client), texts))[0]


async def cpu_of_a_call(server: Server, texts: list[str]) -> None:
    """Print what a call costs the client."""
    kinds = {"official client": None, "official client over aiohttp": openai.DefaultAioHttpClient()}
    for name, http_client in kinds.items():
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="none", http_client=http_client
        ) as client:
            _, cpu = await at_once(plain(client), texts)
        print(f"{name}: {1000 * cpu / len(texts):.2f} ms of a core for a call")
    chat, config = OpenAIChat(f"{server.url}/v1", "scripted", concurrency=CONCURRENCY), GenerateConfig()

    async def call(number: int, text: str) -> object:
        return await chat.complete(answer_messages(text, 512), answer_sampling(config, number))

    _, cpu = await at_once(call, texts)
    print(f"gukbap: {1000 * cpu / len(texts):.2f} ms of a core for a call")


def project(server: Server, seeds: Path, output: Path) -> tuple[int, float]:
    """Calls and seconds of the stage: answers to seeds, which take one call each."""
    code = (
        "import json, sys, time; from pathlib import Path; from gukbap.recipes import load_recipe; "
        "from gukbap.workers.generate import run_generate; "
        "import gukbap.adapters.openai_chat, gukbap.stages.generate; "
        "settings = load_recipe('smoke', sys.argv[2:]).generate_settings(); out = Path(sys.argv[1]); "
        "start = time.perf_counter(); "
        "files = {'rows': out / 'r', 'dropped': out / 'd', 'seeds': out / 'e', 'statistics': out / 's'}; "
        "done = run_generate(settings, **files); "
        "print(json.dumps([done.statistics['calls_sent'], time.perf_counter() - start]))"
    )
    command = generate_command(server, seeds, output, teacher__concurrency=CONCURRENCY, generate__rounds=0)
    given = [word for word in command if "=" in word and "." in word.partition("=")[0]]
    given.append(f"generate.seeds={seeds}")
    output.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(output), *given],
        env={**environment(), "GUKBAP_WORK_DIR": str(output / "work")},
        capture_output=True,
        text=True,
        check=True,
    )
    calls, seconds = json.loads(done.stdout.splitlines()[-1])
    return calls, seconds


def memory(folder: Path, count: int) -> None:
    """The peak of a generating process for so many seeds, answers alone."""
    seeds = write_seeds(folder / f"seeds-{count}.txt", count)
    with serving() as server:
        command = generate_command(
            server, seeds, folder / f"memory-{count}", generate__rounds=0, teacher__concurrency=CONCURRENCY
        )
        process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max(peak, high_water(process.pid))
            time.sleep(0.05)
    print(f"{count} seeds: peak {peak // 1024} MiB (exit code {process.returncode})")


def high_water(pid: int) -> int:
    """The most memory of a process so far, in KiB; 0 where it has just ended.

    Not ru_maxrss, which begins with what the parent had when it started the process.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    """Run peer and project in turn; print calls a second and the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1500)
    parser.add_argument("--latency", type=float, default=LATENCY)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--memory-seeds", type=int, nargs="*", default=[])
    options = parser.parse_args()
    limit = CONCURRENCY / options.latency
    with tempfile.TemporaryDirectory(prefix="gukbap-throughput-") as name:
        folder = Path(name)
        seeds = write_seeds(folder / "seeds.txt", options.seeds)
        texts = seeds.read_text("utf-8").splitlines()
        ours, theirs, sending = [], [], []
        with serving(latency=options.latency) as server:
            if options.cpu:
                asyncio.run(cpu_of_a_call(server, texts))
            for number in range(options.runs):
                theirs.append(len(texts) / asyncio.run(peer(server, texts)))
                server.reset()
                calls, seconds = project(server, seeds, folder / str(number))
                ours.append(calls / seconds)
                sending.append(calls / server.told()["seconds"])
                print(
                    f"peer {theirs[-1]:.0f} calls/s, gukbap {ours[-1]:.0f} calls/s, "
                    f"{sending[-1]:.0f} while calls go out"
                )
        print(
            f"limit {limit:.0f} calls/s; best: peer {max(theirs) / limit:.0%}, "
            f"gukbap {max(ours) / limit:.0%}, {max(sending) / limit:.0%} while calls go out"
        )
        print(f"ratio gukbap / peer {max(ours) / max(theirs):.2f}; wanted {WANTED:.0%} of the limit")
        for count in options.memory_seeds:
            memory(folder, count)


if __name__ == "__main__":
    main()
