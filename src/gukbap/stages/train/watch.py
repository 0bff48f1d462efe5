"""What happens around the steps of a training: progress, evaluation, checkpoints, an end in order."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from transformers import TrainerCallback

from gukbap.errors import GukbapError
from gukbap.ports import Progress, ProgressBar
from gukbap.stages.train.checkpoints import keep_newest, mark_complete
from gukbap.stages.train.sharding import require_sharded

#: A mean loss over so many times that of a blind guess (the logarithm of the vocabulary) is no training.
EXPLODED = 2.0
#: rows that an error names
ROWS_NAMED = 20


class Evaluating(Protocol):
    """As `gukbap.stages.train.evaluations.Evaluations`."""

    def due(self, step: int) -> bool:
        """Whether the model is evaluated after a step."""

    def evaluate(self, step: int, epoch: float, pause: Callable[[], None]) -> None:
        """Evaluate it, with a `pause` between any two batches; called by every process alike."""

    def best(self, step: int) -> int | None:
        """The step whose checkpoint has to be kept."""

    def stop(self, step: int) -> bool:
        """Whether the training ends early."""


class StoppedEarlyError(Exception):
    """Raised out of a training that has nothing left to do before its first step."""


class _LeftError(Exception):
    """Raised out of an evaluation, in all processes alike, when a signal came."""


class TrainingWatch(TrainerCallback):  # type: ignore[misc]  # transformers is read untyped
    """Shows progress, evaluates, marks whole checkpoints, stops early or, on a signal, in order.

    Args:
        seconds: training time before this process.
        keep: how many checkpoints are kept, the newest; the best one is kept besides.
    """

    def __init__(
        self,
        bar: ProgressBar,
        evaluations: Evaluating,
        seconds: float,
        keep: int,
    ) -> None:
        #: the AnswerTrainer that this watches
        self.trainer: Any = None
        self.stop_requested = False
        self._bar, self._evaluations, self._keep = bar, evaluations, keep
        #: that all processes have agreed on it; `stop_requested` may be this one's secret yet
        self._stopping = False
        self._before, self._start = seconds, time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time so far, evaluation left out."""
        return self._before + time.monotonic() - self._start

    def _somebody_stops(self) -> bool:
        """Whether a signal reached any process; all must stop after the same step."""
        accelerator = self.trainer.accelerator
        if accelerator.num_processes == 1:
            return self.stop_requested
        flag = torch.tensor(int(self.stop_requested), device=accelerator.device)
        stopping = bool(accelerator.reduce(flag, "sum"))
        # Only ever set: a signal that came while the flags were summed waits for the next step's sum.
        if stopping:
            self.stop_requested = True
        return stopping

    def _leave_if_stopping(self) -> None:
        if self._somebody_stops():
            raise _LeftError

    def _evaluate(self, step: int, epoch: float) -> None:
        """Evaluate; a signal ends it after a batch, and whoever goes on evaluates anew.

        Raises:
            _LeftError: it did.
        """
        began = time.monotonic()
        try:
            self._evaluations.evaluate(step, epoch, self._leave_if_stopping)
        finally:
            self._start += time.monotonic() - began

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate the untrained model, or what a kill between a checkpoint and its evaluation left out.

        Raises:
            StoppedEarlyError: the training had stopped here.
            KeyboardInterrupt: a signal came.
        """
        require_sharded(self.trainer.model_wrapped, self.trainer.settings)
        self._start = time.monotonic()
        if self._evaluations.due(state.global_step):
            try:
                self._evaluate(state.global_step, float(state.epoch or 0.0))
            except _LeftError as left:
                # What there is of this step is saved already.
                raise KeyboardInterrupt from left
            if self._evaluations.stop(state.global_step):
                raise StoppedEarlyError

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the step; where a signal came, save and stop."""
        self._bar.advance(1)
        self._stopping = self._somebody_stops()
        if self._stopping:
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """Show the loss; one that is no number, or far worse than a guess, ends the training. Then evaluate:
        before the step's checkpoint is saved, which depends on whether it is the best."""
        loss = logs.get("loss")
        if loss is None:
            return
        norm = logs.get("grad_norm", 0.0)
        # A checkpoint is saved after this, so that none ever holds weights that are no numbers.
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
        # A pod that is evicted has no time for it.
        if self._evaluations.due(state.global_step) and not self._stopping:
            self._follow_up(state.global_step, float(state.epoch), control)

    def _follow_up(self, step: int, epoch: float, control: Any) -> None:
        try:
            self._evaluate(step, epoch)
        except _LeftError:
            control.should_save = control.should_training_stop = True
            return
        if self._evaluations.stop(step):
            control.should_save = control.should_training_stop = True
        elif self._evaluations.best(step) == step:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint as whole once every process has written its part; then the oldest may go."""
        self.trainer.accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            checkpoints = Path(args.output_dir)
            mark_complete(checkpoints / f"checkpoint-{state.global_step}", self.seconds)
            keep_newest(checkpoints, self._keep, self._evaluations.best(state.global_step))


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
