"""transformers' Trainer, set up for this project's loss, schedule, checkpoints and progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from gukbap.config import TrainSettings
from gukbap.errors import GukbapError
from gukbap.stages.train.checkpoints import damage_of, drop_from
from gukbap.stages.train.items import TrainingItems
from gukbap.stages.train.lora import load_adapters, save_adapters
from gukbap.stages.train.order import EpochSampler
from gukbap.stages.train.schedule import learning_rate_factor
from gukbap.stages.train.sharding import mixed_precision, sharding_arguments
from gukbap.stages.train.watch import TrainingWatch


class AnswerTrainer(Trainer):  # type: ignore[misc]  # transformers is read untyped
    """A Trainer with the schedule of `learning_rate_factor` and the order of a sampler."""

    def __init__(self, settings: TrainSettings, items: TrainingItems, **arguments: Any) -> None:
        self.settings, self.items = settings, items
        self.vocabulary = int(arguments["model"].config.vocab_size)
        super().__init__(**arguments)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """A LambdaLR, which is saved in a checkpoint and restored as any other scheduler."""
        if getattr(self, "lr_scheduler", None) is None:
            factor = learning_rate_factor(self.settings.train, num_training_steps)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def from_first(self, value: Any) -> Any:
        """The first process's value, in every process."""
        return broadcast_object_list([value])[0] if self.accelerator.num_processes > 1 else value

    def load_weights(self, checkpoint: Path) -> None:
        """Put a checkpoint's weights into the model; every process has to call it."""
        self._load_from_checkpoint(
            str(checkpoint), self.model_wrapped if self.is_fsdp_enabled else self.model
        )

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Of adapters nothing else: the base does not change."""
        if self.settings.train.lora is None:
            super()._save(output_dir, state_dict)
        elif self.args.should_save:
            save_adapters(self.model, Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.settings.train.lora is None:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            load_adapters(self.model, Path(resume_from_checkpoint))

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return self.items.sampler


def build_trainer(
    settings: TrainSettings,
    model: Any,
    items: TrainingItems,
    checkpoints: Path,
    watch: TrainingWatch,
    followers: Sequence[TrainerCallback] = (),
) -> AnswerTrainer:
    """A Trainer whose world has exactly `train.processes` processes.

    Args:
        followers: callbacks that come after the watch.

    Raises:
        GukbapError: the world has another size.
    """
    trainer = AnswerTrainer(
        settings,
        items,
        model=model,
        args=_arguments(settings, model, checkpoints),
        data_collator=items.collator,
        train_dataset=items.items,
        callbacks=[*items.callbacks, watch, *followers],
    )
    # It prints every log to standard output, which belongs to machine-readable results.
    trainer.remove_callback(PrinterCallback)
    watch.trainer = trainer
    world = trainer.accelerator.num_processes
    if world != settings.train.processes:
        raise GukbapError(
            f"training runs in a world of {world} process(es)", expected=f"{settings.train.processes}"
        )
    return trainer


def require_same_start(trainer: AnswerTrainer, step: int) -> None:
    """Refuse to go on where the processes would do so from different checkpoints.

    Raises:
        GukbapError: a node sees other files than the rest, as a network file system's memory may show it.
    """
    mine = torch.tensor([step], device=trainer.accelerator.device)
    steps = sorted(set(trainer.accelerator.gather(mine).tolist()))
    if len(steps) > 1:
        raise GukbapError(
            f"the processes would go on after different steps: {', '.join(map(str, steps))}",
            expected="the same checkpoints on every node",
            fix="check that cluster.work_claim is ReadWriteMany and the same on all nodes, and run again",
        )


def release_optimizer(trainer: AnswerTrainer) -> None:
    """Give back the gradients and the optimiser's state, which the end of a training needs no more.

    The exported model, loaded again to be held against the trained one, takes their place on a CPU.
    """
    trainer.optimizer.zero_grad(set_to_none=True)
    trainer.optimizer.state.clear()


def take_checkpoint(trainer: AnswerTrainer, folder: Path, step: int) -> None:
    """Put the weights of a step's checkpoint into the model.

    Raises:
        GukbapError: the checkpoint is damaged. It and the later ones are removed, so that the next attempt
            makes it again.
    """
    path = folder / f"checkpoint-{step}"
    first = trainer.is_world_process_zero()
    damage = trainer.from_first(damage_of(path) if first else None)
    if damage is not None:
        if first:
            drop_from(folder, step)
        trainer.accelerator.wait_for_everyone()
        raise GukbapError(
            f"{path.name}, which was to become the model, is damaged: {damage}",
            fix="run again: training goes on from the checkpoint before it",
        )
    trainer.load_weights(path)


def _arguments(settings: TrainSettings, model: Any, checkpoints: Path) -> Any:
    train = settings.train
    cuda = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=train.epochs,
        per_device_train_batch_size=train.per_device_batch_size,
        gradient_accumulation_steps=train.gradient_accumulation,
        # One pass over the weights: 0.6 instead of 4.7 s for 100 million on two shared CPU cores.
        optim="adamw_torch_fused",
        learning_rate=train.learning_rate,
        weight_decay=train.weight_decay,
        adam_beta1=0.9,  # LIMA
        adam_beta2=train.adam_beta2,
        max_grad_norm=train.max_grad_norm,
        bf16=train.precision == "bfloat16",
        seed=settings.seed,
        data_seed=settings.seed,
        save_strategy="steps",
        save_steps=train.save_every_steps,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=cuda,
        use_cpu=not cuda,
        ddp_find_unused_parameters=False,
        ddp_timeout=train.collective_timeout_seconds,
        **sharding_arguments(settings, model),
    )
    if train.sharding == "fsdp":
        arguments.fsdp_plugin_args["mixed_precision_policy"] = mixed_precision(settings)
    if train.processes == 1:
        # Several GPUs and one process would become DataParallel, which nobody asked for.
        _ = arguments.device
        arguments._n_gpu = min(arguments._n_gpu, 1)
    return arguments
