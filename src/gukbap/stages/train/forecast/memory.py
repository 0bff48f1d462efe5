"""Peak memory of one training process, as the sum of named parts at each moment that can be the peak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gukbap.stages.train.forecast.activations import (
    BFLOAT16,
    FLOAT32,
    head_activations,
    hidden_bytes,
    layer_activations,
    model_activations,
    product_bytes,
    residual_bytes,
    shared_activations,
)
from gukbap.stages.train.forecast.process import Memory, Training, chunk_positions
from gukbap.stages.train.limits import DEV_BATCH, SHARDED_ACCUMULATION


def peak(training: Training) -> tuple[str, Memory]:
    """The moment at which the process holds most, and its parts in bytes."""
    return max(moments(training), key=lambda moment: moment[1].total)


def moments(training: Training) -> Iterator[tuple[str, Memory]]:
    """Every moment of a training, after its first step, that can be the peak."""
    base = Memory(
        parameters=FLOAT32 * training.trainable // training.shards + _frozen(training),
        # Two Adam moments in float32, as the parameters are. (The parameters are the master weights.)
        optimiser=2 * FLOAT32 * training.trainable // training.shards,
    )
    yield "loss", _loss(training, base)
    yield "first layer of the backward pass", _first_layer(training, base)
    yield "last layer of the backward pass", _last_layer(training, base)
    yield "end of the backward pass", _backward_end(training, base)
    yield "validation", _validation(training, base)
    yield "answers to dev prompts", _dev_answers(training, base)
    if not training.on_gpu:
        yield "export", _export(training)


def _frozen(training: Training) -> int:
    frozen = training.shape.parameters + training.added - training.trainable
    if not training.on_gpu and not training.shape.tied and not training.embedding_is_trained:
        frozen -= training.shape.embedding  # it stays in the model's file, of which few pages are ever read
    return FLOAT32 * frozen // training.shards


def _all_gradients(training: Training) -> int:
    """Gradients at the end of the backward pass; plain data parallelism holds them in buckets, too."""
    copies = 2 if training.config.processes > 1 and not training.sharded else 1
    return copies * FLOAT32 * training.trainable // training.shards


def _kept_gradients(training: Training) -> int:
    """Gradients that lie there when the last micro-batch of a step begins."""
    if training.config.gradient_accumulation == 1:
        buckets = training.config.processes > 1 and not training.sharded
        return FLOAT32 * training.trainable if buckets else 0
    if training.sharded and not SHARDED_ACCUMULATION:
        return training.gathered_bytes * training.trainable  # in the type they are reduced in
    return _all_gradients(training)


def _layer_gathering(training: Training) -> int:
    """This layer's parameters, the next one's, and the buffer that those arrive in."""
    return 3 * training.gathered_bytes * training.shape.layer_parameters if training.sharded else 0


def _head_gathering(training: Training) -> int:
    """The output layer as it is gathered for the loss, and the buffer that it arrived in."""
    return 2 * training.gathered_bytes * training.shape.embedding if training.sharded else 0


def _layer_reduction(training: Training) -> int:
    """A layer's whole gradients, and the buffer that they are reduced from."""
    return 2 * training.gathered_bytes * training.shape.layer_parameters if training.sharded else 0


def _kept_activations(training: Training) -> int:
    """All that the forward pass leaves for the backward pass, the gradient of the chosen states included."""
    shape, mode, batch = training.shape, training.mode, training.batch
    head = head_activations(shape, mode, batch) + _chosen_states(training)
    if not training.config.gradient_checkpointing:
        return model_activations(shape, mode, batch) + shape.layers * _adapter_activations(training) + head
    hidden = shape.layers * hidden_bytes(shape, mode, batch)
    return hidden + shared_activations(shape, mode, batch) + head


def _cast_weights(training: Training) -> int:
    """Autocast keeps a bfloat16 copy of each layer's matrices: until the forward pass is over, and where
    nothing is computed again until the backward pass has used it. (Its cache takes trained matrices alone; a
    frozen one is copied at each use, and only what waits for its backward pass keeps the copy.)"""
    if training.mode != "autocast":
        return 0
    shape, config = training.shape, training.config
    layers = 0 if config.lora is not None and config.gradient_checkpointing else shape.layers
    return BFLOAT16 * layers * shape.layer_matrices


def _chosen_states(training: Training) -> int:
    """The states that the loss is taken over."""
    return residual_bytes(training.mode) * training.batch.trained * training.shape.hidden


def _loss(training: Training, base: Memory) -> Memory:
    """At the end of the forward pass, which takes the gradients of logits, states and matrix, too."""
    shape = training.shape
    # Autocast: the output layer's copy, and where it is trained a product that is added to its gradient.
    copies = 1 + training.head_is_trained if training.mode == "autocast" else 0
    return replace(
        base,
        gradients=_kept_gradients(training) + _head_gradient(training),
        gathered=_head_gathering(training),
        activations=_kept_activations(training)
        + _chosen_states(training)
        + _cast_weights(training)
        + copies * BFLOAT16 * shape.embedding,
        logits=_logit_bytes(training) * chunk_positions(training, training.batch.trained) * shape.vocabulary,
    )


def _logit_bytes(training: Training) -> int:
    """Of one logit: in float32, beside what a product gave or takes in bfloat16, or a softcap's slope."""
    if training.shape.logit_cap is not None:
        return 2 * FLOAT32
    return FLOAT32 if training.mode == "float32" else FLOAT32 + BFLOAT16


def _lasting_casts(training: Training) -> int:
    return 0 if training.config.gradient_checkpointing else _cast_weights(training)


def _head_gradient(training: Training) -> int:
    """The output layer's gradient, in the type of its parameters where the loss sees them."""
    return residual_bytes(training.mode) * training.shape.embedding if training.head_is_trained else 0


def _first_layer(training: Training, base: Memory) -> Memory:
    """Where the backward pass begins: all activations are still there."""
    shape = training.shape
    # Of one piece with the embedding's, the head's gradient waits for it, and FSDP2 reduces it with the
    # embedding's; else it is added at once.
    waits = shape.tied or training.sharded or training.config.gradient_accumulation == 1
    head = _head_gradient(training) if waits else 0
    kept = _kept_activations(training) + _lasting_casts(training)
    if training.config.gradient_checkpointing:
        kept += _one_layer(training)
        if training.mode != "bfloat16":  # the layer's input is there already
            kept -= hidden_bytes(shape, training.mode, training.batch)
    return _in_layer(training, base, _kept_gradients(training) + head, kept)


def _last_layer(training: Training, base: Memory) -> Memory:
    """Where it ends: the gradients of all other layers are there."""
    gradients = _all_gradients(training)
    if training.config.gradient_accumulation == 1:
        own = training.layer_trainable
        if not training.shape.tied and training.embedding_is_trained:
            own += training.shape.embedding
        gradients -= FLOAT32 * own // training.shards
    return _in_layer(training, base, gradients, _one_layer(training))


def _in_layer(training: Training, base: Memory, gradients: int, activations: int) -> Memory:
    return replace(
        base,
        gradients=gradients + _layer_reduction(training),
        gathered=_layer_gathering(training),
        activations=activations + _passing_gradients(training),
    )


def _one_layer(training: Training) -> int:
    """What one layer keeps, of the kind that keeps more: a sliding one that needs a mask."""
    sliding = training.shape.sliding_layers > 0
    casts = BFLOAT16 * training.shape.layer_matrices if training.mode == "autocast" else 0
    kept = layer_activations(training.shape, training.mode, training.batch, sliding=sliding)
    return kept + _adapter_activations(training) + casts


def _adapter_activations(training: Training) -> int:
    """What a layer's adapters keep besides: each its inner numbers, and with dropout its own input. (What
    goes into the frozen matrices is kept for the adapters in their place.)"""
    lora = training.config.lora
    if lora is None:
        return 0
    inputs = sum(training.shape.matrix(name)[0] for name in lora.target_modules) if lora.dropout else 0
    a_token = product_bytes(training.mode) * (lora.rank * len(lora.target_modules) + inputs)
    return a_token * training.batch.tokens


def _passing_gradients(training: Training) -> int:
    """Gradients of activations on their way through a gated feed-forward layer, and one matrix's."""
    shape, mode = training.shape, training.mode
    per_token = 2 * product_bytes(mode) * shape.intermediate + 2 * residual_bytes(mode) * shape.hidden
    frozen = training.config.lora is not None
    matrix = 0 if frozen else product_bytes(mode) * shape.hidden * shape.intermediate
    return per_token * training.batch.tokens + matrix


def _backward_end(training: Training, base: Memory) -> Memory:
    """The embedding's gradient comes last."""
    shape, passing = training.shape, 0
    if training.sharded:
        matrices = 1 if shape.tied else 2
        # Whole, and the buffer they are reduced from.
        passing = 2 * training.gathered_bytes * matrices * shape.embedding
    elif training.embedding_is_trained:
        # Added to the head's where they are one, and to that of earlier micro-batches.
        extra = int(shape.tied) + int(training.config.gradient_accumulation > 1)
        passing = extra * FLOAT32 * shape.embedding
    return replace(base, gradients=_all_gradients(training) + passing)


def _validation(training: Training, base: Memory) -> Memory:
    shape, mode, batch = training.shape, training.mode, training.batch
    positions = batch.rows * (batch.length - 1)
    logits = _logit_bytes(training) * chunk_positions(training, positions) * shape.vocabulary
    per_token = 3 * product_bytes(mode) * shape.intermediate + 3 * residual_bytes(mode) * shape.hidden
    return replace(
        base,
        gathered=_head_gathering(training),
        activations=per_token * batch.tokens,
        logits=logits,
    )


def _dev_answers(training: Training, base: Memory) -> Memory:
    """Keys and values of a batch of dev prompts, as if each were as long as a row may be."""
    shape, config = training.shape, training.config
    rows = min(DEV_BATCH, len(config.sample_prompts) + config.dev_prompts)
    cached = 2 * product_bytes(training.mode) * shape.kv_width * shape.layers
    return replace(
        base,
        gathered=_head_gathering(training),
        activations=rows * training.batch.length * cached,
        logits=2 * FLOAT32 * rows * shape.vocabulary,
    )


def _export(training: Training) -> Memory:
    """The trained model beside its weights as they were written and as they were loaded to be held against
    it. In float32 what was written is the trained weights themselves, where they are whole."""
    shape = training.shape
    size = FLOAT32 if training.mode == "float32" else BFLOAT16
    written = size * shape.parameters if training.sharded or size != FLOAT32 else 0
    return Memory(
        parameters=FLOAT32 * (shape.parameters + training.added) // training.shards,
        gathered=written + size * shape.parameters,
    )
