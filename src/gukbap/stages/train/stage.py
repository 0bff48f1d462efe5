"""The train stage: what goes in, what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.config import TrainSettings
from gukbap.ports import Progress, Tracker
from gukbap.schemas import Row


@dataclass(frozen=True)
class TrainResult:
    """A trained model folder and everything countable about its training.

    `statistics` is JSON-able. Losses are mean cross-entropies in nats a token; `history` is in the
    order of the steps, its points carrying `step`, `epoch` and either a training or a validation loss.
    """

    model: Path
    statistics: dict[str, Any]


def train(
    settings: TrainSettings,
    rows: Sequence[Row],
    validation: Sequence[Row],
    model_folder: Path,
    output: Path,
    work: Path,
    progress: Progress,
    tracker: Tracker | None = None,
) -> TrainResult:
    """Fine-tune the model in `model_folder` on the rows' answers and write it to `output`.

    Called again with the same arguments after an interruption of any kind, it goes on from the newest
    whole checkpoint in `work` and ends with the weights that an uninterrupted training has.

    Args:
        model_folder: weights, configuration and tokenizer, as transformers saves them.
        output: the trained model's folder; it appears when it is whole.
        work: checkpoints and validation losses of a training under way.
        tracker: gets the course of the training while it lasts; a failing one does not stop it.

    Raises:
        ModelError: the model cannot be loaded.
        InputError: no row can be trained.
        ConfigError: the chat template or max_length does not fit the model.
        GukbapError: the training failed (no memory, a loss that is no number).
        KeyboardInterrupt: it was interrupted; a checkpoint of the last finished step is in `work`.
    """
    if settings.train.processes > 1:
        from gukbap.stages.train.launch import train_in_processes

        statistics = train_in_processes(
            settings,
            *(rows, validation, model_folder, output, work, progress),
            tracked_run=tracker.run_id if tracker else None,
        )
    else:
        from gukbap.stages.train.training import train_in_process

        statistics = train_in_process(
            settings, rows, validation, model_folder, output, work, progress, tracker
        )
    return TrainResult(output, statistics)
