"""What the memory of one training process depends on, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gukbap.config import TrainConfig
from gukbap.stages.train.forecast.activations import BFLOAT16, FLOAT32, Batch, Mode
from gukbap.stages.train.forecast.shapes import ModelShape
from gukbap.stages.train.limits import LOGITS_AT_ONCE


@dataclass(frozen=True)
class Memory:
    """Bytes of one process by what they are for."""

    parameters: int = 0
    gradients: int = 0
    optimiser: int = 0
    gathered: int = 0
    activations: int = 0
    logits: int = 0
    overhead: int = 0

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Training:
    """What a process's memory depends on.

    Attributes:
        shape: of the model.
        config: the recipe's `train` section.
        batch: the largest that the process gets.
        on_gpu: where it computes; on a CPU the model's file is mapped, not read.
    """

    shape: ModelShape
    config: TrainConfig
    batch: Batch
    on_gpu: bool

    @property
    def mode(self) -> Mode:
        """Which numbers are float32 and which bfloat16."""
        if self.config.precision == "float32":
            return "float32"
        return "bfloat16" if self.sharded else "autocast"

    @property
    def sharded(self) -> bool:
        """Whether FSDP2 splits parameters, gradients and states over the processes."""
        return self.config.sharding == "fsdp"

    @property
    def shards(self) -> int:
        """Processes that hold a part each."""
        return self.config.processes if self.sharded else 1

    @property
    def trainable(self) -> int:
        """Parameters that get a gradient."""
        if self.config.lora is not None:
            return self.shape.layers * self.layer_trainable
        return self.shape.parameters - (0 if self.embedding_is_trained else self.shape.embedding)

    @property
    def layer_trainable(self) -> int:
        """Parameters of one layer that get a gradient: its own, or those of its adapters."""
        lora = self.config.lora
        if lora is None:
            return self.shape.layer_parameters
        return sum(lora.rank * sum(self.shape.matrix(name)) for name in lora.target_modules)

    @property
    def added(self) -> int:
        """Parameters that are not the model's own."""
        return self.trainable if self.config.lora is not None else 0

    @property
    def embedding_is_trained(self) -> bool:
        """Whether the input embedding gets a gradient."""
        return not (self.config.freeze_embeddings or self.config.lora is not None)

    @property
    def head_is_trained(self) -> bool:
        """Whether the output layer gets a gradient."""
        if self.config.lora is not None:
            return False
        return not (self.shape.tied and self.config.freeze_embeddings)

    @property
    def gathered_bytes(self) -> int:
        """Bytes of a gathered parameter: FSDP2 casts before it gathers."""
        return FLOAT32 if self.mode == "float32" else BFLOAT16


def chunk_positions(training: Training, positions: int) -> int:
    """Positions whose logits are computed at once."""
    return min(positions, max(1, LOGITS_AT_ONCE // training.shape.vocabulary))
