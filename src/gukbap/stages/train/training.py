"""Training in this process: alone, or as one of several that a launcher started."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

import gukbap
from gukbap.chat_templates import ChatTemplate, load_template
from gukbap.config import TrainConfig, TrainSettings
from gukbap.errors import ConfigError, ModelError
from gukbap.ports import Progress, Tracker
from gukbap.schemas import Row
from gukbap.stages.train.batches import Collator
from gukbap.stages.train.checkpoints import newest_complete, newest_marked, seconds_until, step_of
from gukbap.stages.train.dev_set import dev_set
from gukbap.stages.train.dropout import use_residual_dropout
from gukbap.stages.train.encoding import encode_rows
from gukbap.stages.train.evaluations import Evaluations, best_in
from gukbap.stages.train.export import DTYPES, export_model, probe_ids, probe_logits
from gukbap.stages.train.failures import explained_failures
from gukbap.stages.train.figures import course_figures, row_figures
from gukbap.stages.train.identity import CHECKPOINTS, MEASUREMENTS, claim_work_folder, training_identity
from gukbap.stages.train.items import training_items
from gukbap.stages.train.live import LiveSeries, StepSeries, live_series
from gukbap.stages.train.lora import add_adapters, merge_adapters
from gukbap.stages.train.loss import use_answer_loss
from gukbap.stages.train.measurements import Measurements
from gukbap.stages.train.parity import prompt_parity
from gukbap.stages.train.sharding import gathered_weights
from gukbap.stages.train.trainer import (
    build_trainer,
    release_optimizer,
    require_same_start,
    take_checkpoint,
)
from gukbap.stages.train.validation import validation_losses
from gukbap.stages.train.watch import StoppedEarlyError, TrainingWatch, stopping_in_order


def train_in_process(
    settings: TrainSettings,
    rows: Sequence[Row],
    validation: Sequence[Row],
    model_folder: Path,
    output: Path,
    work: Path,
    progress: Progress,
    tracker: Tracker | None = None,
) -> dict[str, Any]:
    """As `stages.train.train`, in this process; returns the statistics."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    template = load_template(settings.student.chat_template)
    tokenizer = _load(AutoTokenizer, model_folder)
    limit = settings.student.max_length
    training_set = encode_rows(rows, tokenizer, template, limit, "training", settings.train.over_length)
    validation_set = encode_rows(validation, tokenizer, template, limit, "validation")
    parity = prompt_parity([*training_set.examples, *validation_set.examples], tokenizer, template)
    model = _load_model(settings, model_folder)
    collator = Collator(tokenizer.pad_token_id or 0)
    identity = training_identity(settings, rows, validation, model_folder)
    first = int(os.environ.get("RANK", "0")) == 0
    if first:
        claim_work_folder(work, identity, settings, progress)

    items = training_items(training_set.examples, settings, model, collator.pad_id)
    total = items.epoch_steps * settings.train.epochs
    measurements = Measurements(work / MEASUREMENTS, writes=first)
    checkpoint = _checkpoint(work, settings.train, progress) if 0 in measurements else None
    done = step_of(checkpoint)
    if checkpoint:
        progress.say(f"training goes on from step {done} of {total}")
    prompts = dev_set(settings, validation_set.examples, tokenizer, template)

    def measure(pause: Callable[[], None]) -> dict[str, Any]:
        device, size = trainer.args.device, settings.train.per_device_batch_size
        losses = validation_losses(
            trainer.model_wrapped, validation_set.examples, collator, size, device, progress, pause
        )
        answers = prompts.answered(trainer.accelerator.unwrap_model(trainer.model_wrapped), pause)
        # GPUs may differ in the last bit, and all processes have to decide alike.
        shared: dict[str, Any] = trainer.from_first({**losses, **answers})
        return shared

    with (
        explained_failures(work / CHECKPOINTS),
        live_series(tracker, progress) as series,
        progress.bar("train (steps)", total, done) as bar,
    ):
        evaluations = Evaluations(
            settings.train,
            measurements,
            measure,
            lambda step: _tell(measurements.history_point(step), series, progress),
            epoch_steps=items.epoch_steps,
            total=total,
        )
        watch = TrainingWatch(bar, evaluations, seconds_until(checkpoint), settings.train.keep_checkpoints)
        followers = [StepSeries(series, items, lambda: watch.seconds)] if series else []
        trainer = build_trainer(settings, model, items, work / CHECKPOINTS, watch, followers)
        require_same_start(trainer, done)
        measurements.share(trainer.from_first)
        with stopping_in_order(watch, progress), suppress(StoppedEarlyError):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        release_optimizer(trainer)
        ended, seconds = trainer.state.global_step, watch.seconds
        best = evaluations.best(ended) or ended
        if best != ended:
            progress.say(f"the model of step {best} is taken, by {settings.train.selection}")
            take_checkpoint(trainer, work / CHECKPOINTS, best)
        statistics = {
            **row_figures(training_set, validation_set),
            **course_figures(measurements, trainer.state.log_history, best, settings.train),
            "parity": parity,
            **items.statistics,
            "processes": trainer.accelerator.num_processes,
            "seconds": seconds,
            "trained_tokens_per_second": training_set.trained_tokens * ended / items.epoch_steps / seconds,
        }
        _export(trainer, tokenizer, template, settings, {**identity, "statistics": statistics}, output)
    return statistics


def _tell(point: dict[str, Any], series: LiveSeries | None, progress: Progress) -> None:
    """Say what an evaluation has found."""
    if series:
        series.add(point["step"], point)
    score = f", dev score {point['dev_score']:.2f}" if "dev_score" in point else ""
    progress.say(f"validation loss at step {point['step']}: {point['validation_loss']:.4f} on answers{score}")


def _load(kind: Any, folder: Path, **arguments: Any) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True, **arguments)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{folder} cannot be loaded ({error})", expected="a model folder as transformers saves it"
        ) from error


def _load_model(settings: TrainSettings, folder: Path) -> Any:
    # Always float32 weights: with bfloat16 the forward pass is autocast, while the small updates of a
    # learning rate of 4e-6 would be lost in bfloat16 weights.
    model = _load(AutoModelForCausalLM, folder, dtype=torch.float32)
    positions = model.config.max_position_embeddings
    if settings.student.max_length > positions:
        raise ConfigError(
            f"student.max_length is {settings.student.max_length}",
            expected=f"at most {positions}, the positions that {settings.student.model} knows",
        )
    model.config.use_cache = False
    if settings.train.freeze_embeddings:
        model.get_input_embeddings().requires_grad_(False)
    add_adapters(model, settings)
    if settings.train.gradient_checkpointing:
        # transformers gives the method a new name on the way to version 6.
        enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
    use_residual_dropout(model, settings.train.residual_dropout)
    use_answer_loss(model)
    return model


def _checkpoint(work: Path, train: TrainConfig, progress: Progress) -> Path | None:
    # Whoever started several processes has read every byte, so that each of them need not.
    if "RANK" in os.environ:
        return newest_marked(work / CHECKPOINTS)
    return newest_complete(work / CHECKPOINTS, progress, best_in(work / MEASUREMENTS, train))


def _export(
    trainer: Any,
    tokenizer: Any,
    template: ChatTemplate,
    settings: TrainSettings,
    results: dict[str, Any],
    output: Path,
) -> None:
    model, precision = trainer.accelerator.unwrap_model(trainer.model_wrapped), settings.train.precision
    first = trainer.is_world_process_zero()
    # Every process takes part in what shards are needed for; the first one writes.
    logits = probe_logits(model, probe_ids(tokenizer, template), precision)
    if settings.train.lora is not None:
        # After the logits: that the folder gives the same ones proves the merging, too.
        merge_adapters(model)
    weights = gathered_weights(model, DTYPES[precision], keep=first)
    if first:
        statistics = results["statistics"]
        facts = {
            "base_model": settings.student.model,
            "chat_template": template.name,
            "chat_template_sha256": template.sha256,
            "training_sha256": results["training_sha256"],
            "validation_sha256": results["validation_sha256"],
            "settings": settings.model_dump(mode="json"),
            "losses": {key: value for key, value in statistics.items() if key.endswith("_loss")},
            "selection": statistics["selection"],
            "gukbap_version": gukbap.__version__,
        }
        export_model(model, weights, tokenizer, template, facts, output, precision=precision, logits=logits)
    trainer.accelerator.wait_for_everyone()
