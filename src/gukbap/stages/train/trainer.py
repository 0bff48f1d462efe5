"""transformers' Trainer, set up for this project's loss, schedule, checkpoints and progress."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from gukbap.config import TrainSettings
from gukbap.errors import GukbapError
from gukbap.ports import Progress, ProgressBar
from gukbap.stages.train.checkpoints import keep_newest, mark_complete
from gukbap.stages.train.items import TrainingItems
from gukbap.stages.train.order import EpochSampler
from gukbap.stages.train.schedule import learning_rate_factor
from gukbap.stages.train.sharding import mixed_precision, require_sharded, sharding_arguments

#: A mean loss over so many times that of a blind guess (the logarithm of the vocabulary) is no training.
EXPLODED = 2.0
#: rows that an error names
ROWS_NAMED = 20


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

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return self.items.sampler


class TrainingWatch(TrainerCallback):  # type: ignore[misc]  # transformers is read untyped
    """Shows progress, marks whole checkpoints, measures at epoch ends, stops in order on a signal.

    Args:
        measure: measures the validation loss at a step; called by every process alike.
        epoch_steps: optimiser steps of an epoch.
        seconds: training time before this process.
        keep: how many checkpoints are kept.
    """

    def __init__(
        self,
        bar: ProgressBar,
        measure: Callable[[int, float], None],
        epoch_steps: int,
        seconds: float,
        keep: int,
    ) -> None:
        self.trainer: AnswerTrainer | None = None
        self.stop_requested = False
        self._bar, self._measure, self._epoch_steps = bar, measure, epoch_steps
        self._keep = keep
        self._before, self._start = seconds, time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time so far, validation left out."""
        return self._before + time.monotonic() - self._start

    def _somebody_stops(self) -> bool:
        """Whether a signal reached any process; all must stop after the same step."""
        assert self.trainer is not None
        accelerator = self.trainer.accelerator
        if accelerator.num_processes == 1:
            return self.stop_requested
        flag = torch.tensor(int(self.stop_requested), device=accelerator.device)
        stopping = bool(accelerator.reduce(flag, "sum"))
        # Only ever set: a signal that came while the flags were summed waits for the next step's sum.
        if stopping:
            self.stop_requested = True
        return stopping

    def _measure_at(self, step: int, epoch: float) -> None:
        began = time.monotonic()
        self._measure(step, epoch)
        self._start += time.monotonic() - began

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure the untrained model, or what a kill between an epoch's checkpoint and its
        measurement left out."""
        assert self.trainer is not None
        require_sharded(self.trainer.model_wrapped, self.trainer.settings)
        self._start = time.monotonic()
        if state.global_step % self._epoch_steps == 0:
            self._measure_at(state.global_step, float(state.epoch or 0.0))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the step; where a signal came, save and stop."""
        self._bar.advance(1)
        if self._somebody_stops():
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """Show the loss; one that is no number, or far worse than a guess, ends the training."""
        loss = logs.get("loss")
        if loss is None:
            return
        norm = logs.get("grad_norm", 0.0)
        # A checkpoint is saved after this, so that none ever holds weights that are no numbers.
        assert self.trainer is not None
        most = EXPLODED * math.log(self.trainer.vocabulary)
        if not (math.isfinite(loss) and math.isfinite(norm) and loss <= most):
            rows = self.trainer.items.rows_of_step(state.global_step)
            named = ", ".join(rows[:ROWS_NAMED]) + (", …" if len(rows) > ROWS_NAMED else "")
            raise GukbapError(
                f"the training loss became {loss} (gradient norm {norm}) at step {state.global_step}, on the "
                f"rows {named}",
                expected=f"a loss of at most {most:.1f}, twice that of a blind guess at each token",
                fix="look at these rows, lower train.learning_rate, or set train.precision=float32; "
                "the last checkpoint is from before",
            )
        self._bar.advance(0, f"loss {loss:.4f}")

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint as whole once every process has written its part; then the oldest may go."""
        assert self.trainer is not None
        self.trainer.accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            checkpoints = Path(args.output_dir)
            mark_complete(checkpoints / f"checkpoint-{state.global_step}", self.seconds)
            keep_newest(checkpoints, self._keep)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure, unless the epoch was broken off."""
        if state.global_step % self._epoch_steps == 0:
            self._measure_at(state.global_step, float(state.epoch))


@contextmanager
def stopping_in_order(watch: TrainingWatch, progress: Progress) -> Iterator[None]:
    """On SIGINT or SIGTERM finish the step, save a checkpoint and raise KeyboardInterrupt; on a
    second signal raise it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if watch.stop_requested:
            raise KeyboardInterrupt
        watch.stop_requested = True
        progress.say("stopping after this step, with a checkpoint; once more to stop at once")

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
        if watch.stop_requested:
            raise KeyboardInterrupt
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


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
