"""What is trained, and how."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

from pydantic import Field, model_validator

from gukbap.config.base import Section
from gukbap.files import sha256_text

MODEL_REFERENCE = r"^(bundled|hf|file|s3|random|scripted)://\S+$"
OverLength = Literal["drop", "split", "truncate"]
SelectionRule = Literal["dev_score", "validation_loss", "last"]


class StudentConfig(Section):
    """The model that is trained, and the chat template it is trained and served with."""

    model: str = Field(
        pattern=MODEL_REFERENCE,
        description="bundled://NAME, hf://org/name@revision, file://PATH, s3://bucket/key or random://NAME?seed=N",
    )
    chat_template: Literal["mistral-v0.2", "chatml", "gemma", "gemma-base"] = Field(
        description="pinned template of the package"
    )
    chat_template_sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="of the template's text, checked where given: a package with another text is refused",
    )
    max_length: int = Field(8192, ge=32, description="tokens of prompt and answer together (card: 8192)")

    @model_validator(mode="after")
    def _template_is_the_pinned_one(self) -> StudentConfig:
        if self.chat_template_sha256 is None:
            return self
        # Data of a package above this one, found as a resource: it reads recipes, so it is not imported.
        path = files("gukbap") / "chat_templates" / f"{self.chat_template}.jinja"
        found = sha256_text(path.read_text(encoding="utf-8"))
        if found != self.chat_template_sha256:
            raise ValueError(
                f"chat_template_sha256 is {self.chat_template_sha256}, and this package's "
                f"{self.chat_template} has {found}; use the package that the recipe was written for, or "
                "compare the templates and state the new hash"
            )
        return self


LoraTarget = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class LoraConfig(Section):
    """Low-rank adapters (LoRA, arXiv 2106.09685) in place of full fine-tuning: every weight of the base stays
    as it is, and each target gets a trained sum of `alpha / rank` times a product of two thin matrices."""

    rank: int = Field(16, ge=1, le=1024, description="inner size of the two matrices")
    alpha: float = Field(32.0, gt=0, description="the sum counts alpha / rank times")
    dropout: float = Field(0.0, ge=0, lt=1, description="of what goes into the adapters")
    target_modules: list[LoraTarget] = Field(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        min_length=1,
        description="which matrices of each layer get one (all of them: QLoRA, arXiv 2305.14314)",
    )


class TrainConfig(Section):
    """SFT in the spirit of LIMA (arXiv 2305.11206): loss on answers only, end token included."""

    epochs: int = Field(2, ge=1, le=100)
    learning_rate: float = Field(4e-6, gt=0, le=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    min_learning_rate_ratio: float = Field(
        0.1, ge=0, le=1, description="where decay ends (LIMA: 1e-5 to 1e-6)"
    )
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="LIMA: no warm-up")
    weight_decay: float = Field(0.1, ge=0)
    adam_beta2: float = Field(0.95, gt=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    residual_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="rate in the highest layer, rising linearly from 0 in the lowest (LIMA: 0.3 for 65B, 0.2 "
        "for smaller models)",
    )
    per_device_batch_size: int = Field(1, ge=1)
    gradient_accumulation: int = Field(16, ge=1)
    freeze_embeddings: bool = Field(
        False, description="keep the (tied) embedding fixed; saves most of a small model's time on CPU"
    )
    lora: LoraConfig | None = Field(
        None, description="train adapters that are merged into the model in the end; null: train every weight"
    )
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    gradient_checkpointing: bool = True
    processes: int = Field(1, ge=1, le=64, description="processes of one machine, one a GPU")
    sharding: Literal["none", "fsdp"] = Field("none", description="fsdp: full shard over the processes")
    save_every_steps: int = Field(50, ge=1)
    batching: Literal["grouped", "random", "packed"] = Field(
        "grouped",
        description="grouped: rows of alike length share a micro-batch; random; packed: rows laid end to "
        "end without padding, up to student.max_length tokens (a step then holds more rows)",
    )
    over_length: OverLength = Field(
        "drop",
        description="training rows over student.max_length: drop them, split them at turns, or truncate an "
        "answer at a sentence's end, with no end token trained after it",
    )
    collective_timeout_seconds: int = Field(
        1800, ge=60, description="how long a process waits for the others before the training fails"
    )
    keep_checkpoints: int = Field(
        2, ge=1, description="whole checkpoints that are kept, the newest first, and the best one besides"
    )
    evaluate_every_steps: int | None = Field(
        None, ge=1, description="optimiser steps between two evaluations; null: one at each epoch's end"
    )
    selection: SelectionRule = Field(
        "dev_score",
        description="which evaluated checkpoint becomes the model. dev_score: the best answers to the dev "
        "prompts by rules, validation loss where they are equal (LIMA: perplexity does not follow quality); "
        "validation_loss: the lowest; last",
    )
    sample_prompts: list[str] = Field(
        [
            "대한민국의 수도는 어디인가요? 한 문장으로 답해 주세요.",
            "비 오는 날 집에서 할 수 있는 일을 세 가지만 알려 주세요.",
            "다음 문장을 높임말로 바꿔 주세요: 밥 먹었어?",
        ],
        description="answered at each evaluation and shown in the report; dev prompts like the others",
    )
    dev_prompts: int = Field(
        16,
        ge=0,
        description="validation rows, at most, whose first question is answered at each evaluation: those "
        "with a reply of at most dev_max_new_tokens, spread over the categories",
    )
    dev_max_new_tokens: int = Field(
        512,
        ge=1,
        description="tokens of an answer to a dev prompt, at most; half of student.max_length if less",
    )
    early_stopping_patience: int | None = Field(
        None,
        ge=1,
        description="evaluations in a row without a better one, by `selection`, that end the training; "
        "null: every epoch is trained",
    )
    early_stopping_min_delta: float = Field(
        0.0, ge=0, description="what counts as better: points of 0-1 of the dev score, or nats of loss"
    )

    @model_validator(mode="after")
    def _selection_has_something_to_go_by(self) -> TrainConfig:
        if self.selection == "dev_score" and not (self.sample_prompts or self.dev_prompts):
            raise ValueError(
                "selection 'dev_score' needs sample_prompts or dev_prompts; without any choose "
                "'validation_loss' or 'last'"
            )
        if self.selection == "last" and self.early_stopping_patience is not None:
            raise ValueError(
                "early_stopping_patience needs a selection that tells better from worse: 'dev_score' or "
                "'validation_loss', not 'last'"
            )
        return self

    @model_validator(mode="after")
    def _sharding_needs_processes(self) -> TrainConfig:
        if self.sharding == "fsdp" and self.processes < 2:
            raise ValueError("sharding 'fsdp' needs processes of 2 or more; allowed with 1 process: 'none'")
        if self.sharding == "fsdp" and self.lora is not None:
            raise ValueError(
                "lora does not go with sharding 'fsdp', whose checkpoints would hold the whole base; set "
                "sharding 'none': adapters have hardly any states to share out"
            )
        return self
