"""Training in this process: alone, or as one of several that a launcher started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

import gukbap
from gukbap.chat_templates import ChatTemplate, load_template
from gukbap.config import TrainSettings
from gukbap.errors import ConfigError, ModelError
from gukbap.ports import Progress, Tracker
from gukbap.schemas import Row
from gukbap.stages.train.batches import Collator
from gukbap.stages.train.checkpoints import newest_complete, newest_marked, seconds_until, step_of
from gukbap.stages.train.dropout import use_residual_dropout
from gukbap.stages.train.encoding import EncodedRows, encode_rows
from gukbap.stages.train.export import DTYPES, export_model, probe_ids, probe_logits
from gukbap.stages.train.failures import explained_failures
from gukbap.stages.train.identity import CHECKPOINTS, MEASUREMENTS, claim_work_folder, training_identity
from gukbap.stages.train.items import training_items
from gukbap.stages.train.live import StepSeries, live_series
from gukbap.stages.train.loss import use_answer_loss
from gukbap.stages.train.measurements import Measurements
from gukbap.stages.train.parity import prompt_parity
from gukbap.stages.train.sharding import gathered_weights
from gukbap.stages.train.trainer import (
    TrainingWatch,
    build_trainer,
    require_same_start,
    stopping_in_order,
)
from gukbap.stages.train.validation import perplexity, validation_losses


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
    checkpoint = _checkpoint(work / CHECKPOINTS, progress) if 0 in measurements else None
    done = step_of(checkpoint)
    if checkpoint:
        progress.say(f"training goes on from step {done} of {total}")

    def measure(step: int, epoch: float) -> None:
        if step not in measurements:
            device, size = trainer.args.device, settings.train.per_device_batch_size
            losses = validation_losses(
                trainer.model_wrapped, validation_set.examples, collator, size, device, progress
            )
            measurements.record(step, epoch, losses)
            if series:
                series.add(step, measurements.point(step))
            progress.say(f"validation loss at step {step}: {losses['answer_loss']:.4f} on answers")

    with (
        explained_failures(work / CHECKPOINTS),
        live_series(tracker, progress) as series,
        progress.bar("train (steps)", total, done) as bar,
    ):
        watch = TrainingWatch(
            bar, measure, items.epoch_steps, seconds_until(checkpoint), settings.train.keep_checkpoints
        )
        followers = [StepSeries(series, items, lambda: watch.seconds)] if series else []
        trainer = build_trainer(settings, model, items, work / CHECKPOINTS, watch, followers)
        require_same_start(trainer, done)
        with stopping_in_order(watch, progress):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        statistics = {
            **_statistics(training_set, validation_set, measurements, trainer.state.log_history),
            "parity": parity,
            **items.statistics,
            "processes": trainer.accelerator.num_processes,
            "seconds": watch.seconds,
            "trained_tokens_per_second": training_set.trained_tokens * settings.train.epochs / watch.seconds,
        }
        _export(trainer, tokenizer, template, settings, {**identity, "statistics": statistics}, output)
    return statistics


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
    if settings.train.gradient_checkpointing:
        # transformers gives the method a new name on the way to version 6.
        enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
    use_residual_dropout(model, settings.train.residual_dropout)
    use_answer_loss(model)
    return model


def _checkpoint(folder: Path, progress: Progress) -> Path | None:
    # Whoever started several processes has read every byte, so that each of them need not.
    return newest_marked(folder) if "RANK" in os.environ else newest_complete(folder, progress)


def _statistics(
    training_set: EncodedRows,
    validation_set: EncodedRows,
    measurements: Measurements,
    log: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    steps = [
        {key: entry[key] for key in ("step", "epoch", "loss", "learning_rate", "grad_norm") if key in entry}
        for entry in log
        if "loss" in entry
    ]
    base, tuned = measurements.first, measurements.last
    return {
        "rows": training_set.rows,
        "examples": len(training_set.examples),
        "dropped": training_set.dropped,
        "over_length": training_set.over_length,
        "tokens": training_set.tokens,
        "trained_tokens": training_set.trained_tokens,
        "validation_rows": validation_set.rows,
        "validation_dropped": validation_set.dropped,
        "validation_tokens": validation_set.tokens,
        "validation_trained_tokens": validation_set.trained_tokens,
        "steps": len(steps),
        "base_loss": base["answer_loss"],
        "base_full_loss": base["full_loss"],
        "validation_loss": tuned["answer_loss"],
        "validation_full_loss": tuned["full_loss"],
        "validation_perplexity": perplexity(tuned["answer_loss"]),
        "validation_by_category": measurements.by_category(),
        "history": sorted([*measurements.points, *steps], key=lambda point: point["step"]),
    }


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
            "gukbap_version": gukbap.__version__,
        }
        export_model(model, weights, tokenizer, template, facts, output, precision=precision, logits=logits)
    trainer.accelerator.wait_for_everyone()
