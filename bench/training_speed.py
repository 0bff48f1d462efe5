"""Training speed and peak memory: this project's ways to batch beside transformers' Trainer and TRL.

    python bench/training_speed.py [--model gemma-270m] [--rows 256] [--rounds 2] [--trl VENV/bin/python]

A tiny Mistral with random weights (15 million parameters, 32,000 pieces), or a model of Gemma 3 270M's
sizes (262,144 pieces) on shorter rows, is trained for one epoch in float32 on one thread, without
gradient checkpointing, on the same conversations of token ids; each way in a process of its own, all in
turn, so many rounds. Speed is answer tokens a second, by wall clock and
by the process's own CPU seconds, which a busy machine disturbs less; the median of the rounds counts.
TRL runs where --trl names the interpreter of an environment with torch, transformers and trl.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

BATCH, PACKED_BATCH = 8, 2
#: The middle of a row's length, and the most: of the tiny Mistral, and of Gemma 270M.
LENGTHS = {"mistral-tiny": (150, 1024), "gemma-270m": (60, 256)}
Rows = Sequence[tuple[list[int], int]]
OURS = ("gukbap grouped", "gukbap random", "gukbap packed")
TRAINER = ("Trainer padded", "Trainer grouped", "Trainer flattening")
TRL = ("TRL padded", "TRL bfd packing")


def conversations(count: int, model: str) -> Rows:
    """Ids and how many of them are the prompt; lengths spread as those of answers are (log-normal)."""
    source = random.Random(42)
    middle, most = LENGTHS[model]
    rows = []
    for _ in range(count):
        size = min(most, max(24, round(math.exp(source.gauss(math.log(middle), 0.7)))))
        rows.append(([source.randrange(4, 32_000) for _ in range(size)], max(8, size * 3 // 10)))
    return rows


def load(model: str) -> Any:
    """The model of every run."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, MistralConfig, MistralForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    heads: dict[str, Any]
    if model == "gemma-270m":
        sizes = {"hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18, "head_dim": 256}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 1, "sliding_window": 512}
        return Gemma3ForCausalLM(Gemma3TextConfig(vocab_size=262_144, **sizes, **heads))
    sizes = {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 6}
    heads = {"num_attention_heads": 6, "num_key_value_heads": 3, "sliding_window": None}
    return MistralForCausalLM(MistralConfig(vocab_size=32_000, **sizes, **heads))


def _clock() -> Any:
    """A callback that measures from the first step's beginning to the last step's end, savings left out."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]
        wall = cpu = 0.0

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if not state.global_step:
                self.began = time.perf_counter(), time.process_time()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.wall = time.perf_counter() - self.began[0]
            self.cpu = time.process_time() - self.began[1]

    return Clock()


class _NoEvaluations:
    """Nothing is evaluated, and the last step counts."""

    def due(self, step: int) -> bool:
        return False

    def evaluate(self, step: int, epoch: float, pause: Callable[[], None]) -> None:
        raise AssertionError("nothing is due")

    def best(self, step: int) -> int | None:
        return None

    def stop(self, step: int) -> bool:
        return False


def train_ours(name: str, rows: Rows, model: str, folder: Path) -> tuple[float, float]:
    """As the train stage trains, without its validation and export."""
    from gukbap.adapters.progress import SilentProgress
    from gukbap.config import TrainSettings
    from gukbap.stages.train.encoding import Example
    from gukbap.stages.train.items import training_items
    from gukbap.stages.train.loss import use_answer_loss
    from gukbap.stages.train.trainer import build_trainer
    from gukbap.stages.train.watch import TrainingWatch

    batching = name.rpartition(" ")[2]
    train = {
        "epochs": 1,
        "batching": batching,
        "per_device_batch_size": PACKED_BATCH if batching == "packed" else BATCH,
        "gradient_accumulation": 1,
        "precision": "float32",
        "gradient_checkpointing": False,
        "save_every_steps": 10_000,
    }
    student = {"model": "random://none", "chat_template": "mistral-v0.2", "max_length": LENGTHS[model][1]}
    settings = TrainSettings.model_validate({"seed": 1, "student": student, "train": train})
    network = load(model)
    use_answer_loss(network)
    examples = [Example(ids, [n >= prompt for n in range(len(ids))]) for ids, prompt in rows]
    items = training_items(examples, settings, network, 0)
    with SilentProgress().bar("train", None) as bar:
        watch = TrainingWatch(bar, _NoEvaluations(), 0.0, keep=1)
        trainer = build_trainer(settings, network, items, folder, watch)
        clock = _clock()
        trainer.add_callback(clock)
        trainer.train()
    return clock.wall, clock.cpu


def train_with_trainer(name: str, rows: Rows, model: str, folder: Path) -> tuple[float, float]:
    """transformers' Trainer, labels masked, padded or laid end to end with its own collators."""
    from transformers import DataCollatorForSeq2Seq, DataCollatorWithFlattening, Trainer, TrainingArguments

    grouped = {"train_sampling_strategy": "group_by_length"} if name.endswith("grouped") else {}
    arguments = TrainingArguments(**_arguments(folder), per_device_train_batch_size=BATCH, **grouped)
    data = [{"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]} for ids, prompt in rows]
    clock = _clock()
    flat = name.endswith("flattening")
    collator = DataCollatorWithFlattening() if flat else DataCollatorForSeq2Seq(_word_tokenizer())
    Trainer(load(model), arguments, collator, data, callbacks=[clock]).train()
    return clock.wall, clock.cpu


def train_with_trl(name: str, rows: Rows, model: str, folder: Path) -> tuple[float, float]:
    """TRL's SFTTrainer on tokenised rows with a completion mask."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    packing = name.endswith("packing")
    arguments = SFTConfig(
        **_arguments(folder),
        per_device_train_batch_size=PACKED_BATCH if packing else BATCH,
        packing=packing,
        max_length=LENGTHS[model][1],
        completion_only_loss=True,
        gradient_checkpointing=False,
        pad_token="<pad>",
        eos_token="</s>",
    )
    data = [
        {"input_ids": ids, "completion_mask": [int(n >= prompt) for n in range(len(ids))]}
        for ids, prompt in rows
    ]
    clock = _clock()
    SFTTrainer(
        load(model), arguments, train_dataset=Dataset.from_list(data),
        processing_class=_word_tokenizer(), callbacks=[clock],
    ).train()  # fmt: skip
    return clock.wall, clock.cpu


def _arguments(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "num_train_epochs": 1,
        "learning_rate": 4e-6,
        "optim": "adamw_torch_fused",
        "bf16": False,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "logging_steps": 1,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
    }


def _word_tokenizer() -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<pad>": 0, "<unk>": 1, "</s>": 2}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")),
        pad_token="<pad>", unk_token="<unk>", eos_token="</s>",
    )  # fmt: skip


_WORKERS: dict[str, Callable[[str, Rows, str, Path], tuple[float, float]]] = {
    **dict.fromkeys(OURS, train_ours),
    **dict.fromkeys(TRAINER, train_with_trainer),
    **dict.fromkeys(TRL, train_with_trl),
}


def _work(name: str, model: str, count: int) -> None:
    rows = conversations(count, model)
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = _WORKERS[name](name, rows, model, Path(folder))
    answers = sum(len(ids) - prompt for ids, prompt in rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT " + json.dumps({"wall": answers / wall, "cpu": answers / cpu, "peak": peak}))


def _measure(interpreter: str, name: str, model: str, rows: int) -> dict[str, float]:
    command = [interpreter, __file__, "--model", model, "--rows", str(rows), "--worker", name]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(lines[0].removeprefix("RESULT "))
    return found


def main() -> None:
    """Run all ways in turn and print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", choices=sorted(LENGTHS), default="mistral-tiny")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--trl", metavar="PYTHON")
    parser.add_argument("--worker", choices=sorted(_WORKERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        _work(arguments.worker, arguments.model, arguments.rows)
        return
    names = [*OURS, *TRAINER, *(TRL if arguments.trl else ())]
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            interpreter = arguments.trl if name in TRL else sys.executable
            rounds[name].append(_measure(interpreter, name, arguments.model, arguments.rows))
    figures = {
        name: {key: statistics.median(one[key] for one in found) for key in ("wall", "cpu", "peak")}
        for name, found in rounds.items()
    }
    print(f"{'':18} answer tokens/s  a CPU second  peak MiB")
    for name, figure in figures.items():
        print(f"{name:18} {figure['wall']:15.0f} {figure['cpu']:13.0f} {figure['peak']:9.0f}")
    peers = [name for name in names if name not in OURS]
    fastest = max(peers, key=lambda name: figures[name]["cpu"])
    lowest = min(figures[name]["peak"] for name in peers)
    for name in OURS:
        ours = figures[name]
        for peer in dict.fromkeys([fastest, *(TRL[:1] if arguments.trl else ())]):
            wall, cpu = (ours[key] / figures[peer][key] for key in ("wall", "cpu"))
            print(f"{name} / {peer}: {wall:.2f} × by wall clock, {cpu:.2f} × a CPU second")
        print(f"{name}, peak memory / the lowest of the peers: {ours['peak'] / lowest:.2f}")
    if not arguments.trl:
        print("TRL was not measured: --trl names no interpreter")


if __name__ == "__main__":
    main()
