"""How well the forecast of a training's memory holds: forecast, measured peak and their ratio.

    python bench/training_memory.py [NAME ...]

Each configuration is trained for a few steps by the project's own train stage, in a process of its own.
That process first trains a tiny model, so that all code is loaded, sets the kernel's peak back
(/proc/self/clear_refs) and then reports by how much the peak (VmHWM) of the real training is above that.
This is done twice: with an allocator that gives freed blocks back (glibc's MALLOC_MMAP_THRESHOLD_), where
the peak is that of live tensors; and with its default settings, where the forecast adds an estimate of
what is kept. There is no peer: the ratio is to the measured peak.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gukbap.config import TrainSettings
from gukbap.schemas import Call, Lineage, Message, Row, Teacher
from gukbap.stages.train.forecast.activations import Batch
from gukbap.stages.train.forecast.allocator import kept_after_freeing
from gukbap.stages.train.forecast.forecast import TOKENIZER_ENTRY
from gukbap.stages.train.forecast.memory import peak
from gukbap.stages.train.forecast.process import Training
from gukbap.stages.train.forecast.shapes import ModelShape

MIB = 1 << 20
#: glibc then maps every block of 64 KiB or more apart, and gives it back when it is freed.
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}


@dataclass(frozen=True)
class Configuration:
    """A model, how it is trained, and on how long rows.

    Attributes:
        answers: characters of each row's answer, a token each with the byte tokenizer.
        train: what of the recipe's `train` section differs.
        sizes: of a random model, as in a config.json; None: Gemma 3 270M of the catalogue.
        fitted: whether the estimate of what the allocator keeps was fitted to it.
    """

    name: str
    answers: list[int]
    train: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, Any] | None = None
    fitted: bool = True


def _mistral(hidden: int, layers: int, vocabulary: int, heads: int = 8) -> dict[str, Any]:
    return {
        "model_type": "mistral",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": hidden * 7 // 2,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 4,
        "max_position_embeddings": 4096,
        "sliding_window": None,
    }


CONFIGURATIONS = [
    Configuration("wide", [300] * 4, {"gradient_accumulation": 4}, _mistral(768, 4, 8000)),
    Configuration("deep", [450, 250, 350, 400], {"per_device_batch_size": 4}, _mistral(256, 12, 2000)),
    Configuration(
        "long, ckpt",
        [900],
        {"gradient_checkpointing": True},
        _mistral(384, 12, 4000),
    ),
    Configuration("vocabulary", [700] * 2, {"gradient_accumulation": 2}, _mistral(256, 4, 64000)),
    Configuration(
        "batch, ckpt",
        [350, 450, 400, 300],
        {"gradient_checkpointing": True, "per_device_batch_size": 4},
        _mistral(384, 6, 16000),
    ),
    Configuration("bfloat16", [900], {"precision": "bfloat16"}, _mistral(512, 8, 4000)),
    Configuration(
        "accumulating",
        [600, 500, 400, 450],
        {"per_device_batch_size": 2, "gradient_accumulation": 2},
        _mistral(448, 8, 24000),
    ),
    Configuration(
        "accumulating, ckpt",
        [500, 600] * 2,
        {"per_device_batch_size": 2, "gradient_accumulation": 2, "gradient_checkpointing": True},
        _mistral(640, 8, 6000),
    ),
    Configuration(
        "frozen embedding",
        [300, 280],
        {"per_device_batch_size": 2, "freeze_embeddings": True},
        _mistral(256, 6, 48000),
    ),
    Configuration("Gemma 3 270M", [200, 180], {"per_device_batch_size": 2, "freeze_embeddings": True}),
    Configuration(
        "held out", [700, 500, 600], {"per_device_batch_size": 3}, _mistral(320, 10, 12000), fitted=False
    ),
    Configuration(
        "one row, ckpt",
        [1000],
        {"gradient_checkpointing": True},
        _mistral(448, 10, 16000),
    ),
    Configuration(
        "deep, ckpt",
        [700, 650],
        {"gradient_checkpointing": True, "per_device_batch_size": 2},
        _mistral(320, 16, 5000),
    ),
    Configuration(
        "adapters",
        [450, 250, 350, 400],
        {"per_device_batch_size": 4, "lora": {"rank": 16}},
        _mistral(256, 12, 2000),
    ),
    Configuration(
        "adapters, dropout",
        [700, 650],
        {"per_device_batch_size": 2, "lora": {"rank": 8, "dropout": 0.1}},
        _mistral(384, 8, 4000),
        fitted=False,
    ),
    Configuration(
        "held out, Gemma 3",
        [600, 550, 640, 500],
        {"per_device_batch_size": 4},
        {
            "model_type": "gemma3_text",
            "vocab_size": 9000,
            "hidden_size": 256,
            "intermediate_size": 768,
            "num_hidden_layers": 7,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 64,
            "max_position_embeddings": 4096,
            "sliding_window": 512,
        },
        fitted=False,
    ),
]


def settings_of(configuration: Configuration) -> TrainSettings:
    """Settings for a few steps on a CPU."""
    train = {
        "epochs": 3,
        "gradient_accumulation": 1,
        "precision": "float32",
        "gradient_checkpointing": False,
        "save_every_steps": 1000,
        "selection": "last",
        "sample_prompts": [],
        "dev_prompts": 0,
        **configuration.train,
    }
    student = {"model": "random://mistral-tiny", "chat_template": "mistral-v0.2", "max_length": 4096}
    return TrainSettings.model_validate({"seed": 7, "student": student, "train": train})


def rows_of(answers: list[int]) -> list[Row]:
    """Rows with answers of so many ASCII letters."""
    call = Call(key="k", prompt_sha256="0", text_sha256="0", temperature=1.0, top_p=1.0, max_tokens=1, seed=1)
    teacher = Teacher(model="scripted", licence="Apache-2.0")
    lineage = Lineage(seed_id="s", round=0, teacher=teacher, answer_call=call, version="0")
    return [
        Row(
            id=f"r{number}",
            category="everyday",
            messages=[
                Message(role="user", content="?"),
                Message(role="assistant", content="abcdefghij" * (length // 10)),
            ],
            lineage=lineage,
        )
        for number, length in enumerate(answers)
    ]


def measure(configuration: Configuration, folder: Path) -> dict[str, Any]:
    """Train in this process; the forecast and what was measured, in bytes."""
    import torch
    from transformers import AutoTokenizer

    from gukbap.adapters.model_references import resolve_model
    from gukbap.adapters.progress import SilentProgress
    from gukbap.adapters.random_models import MISTRAL_TINY, write_random_model
    from gukbap.chat_templates import load_template
    from gukbap.files import read_json
    from gukbap.stages.train import train
    from gukbap.stages.train.encoding import encode_rows

    settings, rows, progress = settings_of(configuration), rows_of(configuration.answers), SilentProgress()
    tiny = folder / "tiny"
    write_random_model(MISTRAL_TINY, 1, tiny)
    if configuration.sizes is None:
        model = resolve_model("bundled://gemma-3-270m", progress)
    else:
        model = folder / "model"
        write_random_model(configuration.sizes, 1, model)
    torch.set_num_threads(1)
    train(settings, rows_of([100] * 4), rows_of([100]), tiny, folder / "t", folder / "tw", progress)
    template, tokenizer = load_template("mistral-v0.2"), AutoTokenizer.from_pretrained(model)
    encoded = encode_rows(rows, tokenizer, template, settings.student.max_length, "training").examples
    before = _restart_peak()
    result = train(settings, rows, rows[:1], model, folder / "o", folder / "w", progress)
    after = _status("VmHWM")
    size = settings.train.per_device_batch_size
    lengths = [len(example.ids) for example in encoded]
    trained = sorted((sum(example.trained) for example in encoded), reverse=True)[:size]
    batch = Batch(size, max(lengths), sum(trained), masked=settings.train.batching == "packed")
    shape = ModelShape.from_config(read_json(model / "config.json"))
    training = Training(shape, settings.train, batch, on_gpu=False)
    moment, memory = peak(training)
    return {
        "moment": moment,
        "parts": asdict(memory),
        "live": memory.total + TOKENIZER_ENTRY * len(tokenizer),
        "kept": kept_after_freeing(training),
        "measured": after - before,
        "before": before,
        "steps": result.statistics["steps"],
    }


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {name}")


def _restart_peak() -> int:
    """Set VmHWM back to what is resident now, and return that."""
    import gc

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def main() -> None:
    """Measure each configuration in a process of its own and print a line for it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        (configuration,) = [one for one in CONFIGURATIONS if one.name == options.measure]
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(configuration, Path(folder))))
        return
    print(f"{'MiB':22} {'live':>6} {'measured':>9} ratio {'+ kept':>7} {'measured':>9} ratio  moment, parts")
    for configuration in CONFIGURATIONS:
        if not options.names or configuration.name in options.names:
            print(_line(configuration), flush=True)


def _line(configuration: Configuration) -> str:
    giving_back, default = (measured(configuration.name, values) for values in (GIVES_BACK, {}))
    live, kept = default["live"] / MIB, default["kept"] / MIB
    exact, usual = giving_back["measured"] / MIB, default["measured"] / MIB
    parts = ", ".join(f"{name} {size / MIB:.0f}" for name, size in default["parts"].items() if size)
    return (
        f"{configuration.name:22} {live:6.0f} {exact:9.0f} {live / exact:5.2f} "
        f"{live + kept:7.0f} {usual:9.0f} {(live + kept) / usual:5.2f}  "
        f"{default['moment']}: {parts}; before {default['before'] / MIB:.0f}"
        f"{'' if configuration.fitted else '; held out'}"
    )


def measured(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """What `measure` finds in a process of its own, with further variables in its environment."""
    command = [sys.executable, __file__, "--measure", name]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **environment}
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
