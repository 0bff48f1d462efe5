"""Packed documents stay apart in every attention implementation installed; a planted leak is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gukbap.errors import GukbapError
from gukbap.stages.train.batches import Collator, Pack, PackCollator
from gukbap.stages.train.encoding import Example
from gukbap.stages.train.isolation import require_isolation
from gukbap.stages.train.loss import use_answer_loss
from tests.stages.train.examples import settings
from tests.stages.train.test_train import run

_SIZES: dict[str, Any] = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    # Large weights, so that what leaks is large too.
    "initializer_range": 0.5,
}


#: Flash attention needs a GPU; flex attention ends the process on a CPU.
IMPLEMENTATIONS = ("eager", "sdpa")


def _mistral(**more: Any) -> Any:
    from transformers import MistralConfig, MistralForCausalLM

    return MistralForCausalLM, MistralConfig(**_SIZES, **more)


def _qwen() -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM, Qwen2Config(**_SIZES)


def _gemma2() -> Any:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    return Gemma2ForCausalLM, Gemma2Config(**_SIZES, sliding_window=8)


def _gemma3() -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    layers = ["sliding_attention", "full_attention"] * 2
    return Gemma3ForCausalLM, Gemma3TextConfig(**_SIZES, sliding_window=8, layer_types=layers)


MODELS: dict[str, Callable[[], Any]] = {
    "mistral": lambda: _mistral(sliding_window=None),
    "mistral, window of 8": lambda: _mistral(sliding_window=8),
    "qwen2": _qwen,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
}


#: transformers gives Gemma 2, whose attention scores are soft-capped, no SDPA.
CASES = [(name, kind) for name in MODELS for kind in IMPLEMENTATIONS if (name, kind) != ("gemma2", "sdpa")]


def build(name: str, implementation: str) -> Any:
    kind, config = MODELS[name]()
    torch.manual_seed(0)
    model = kind._from_config(config, attn_implementation=implementation).eval()
    assert model.config._attn_implementation == implementation
    return model


def document(length: int, seed: int) -> Example:
    source = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 200, (length,), generator=source).tolist()
    return Example(ids, [False] * (length // 2) + [True] * (length - length // 2))


DOCUMENTS = [document(20, 1), document(9, 2), document(1, 3), document(30, 4)]


def logits(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """[batch, length, vocabulary], as the training's forward has them."""
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    with torch.no_grad():
        found: Tensor = model.lm_head(model.base_model(**inputs, use_cache=False).last_hidden_state)
    return found


def worst_difference(model: Any, collator: Callable[[Sequence[Pack]], dict[str, Tensor]]) -> float:
    """Between the logits of documents in packs and alone, without any padding."""
    packs: list[Pack] = [tuple(DOCUMENTS), tuple(reversed(DOCUMENTS[:3]))]
    rows = logits(model, collator(packs)).flatten(0, 1)
    differences = []
    length = max(sum(len(example.ids) for example in pack) for pack in packs)
    for number, pack in enumerate(packs):
        start = number * (
            length if not getattr(collator, "flat", False) else sum(len(e.ids) for e in packs[0])
        )
        for example in pack:
            alone = logits(model, {"input_ids": torch.tensor([example.ids])})[0]
            packed = rows[start : start + len(example.ids)]
            differences.append(float((packed - alone).abs().max()))
            start += len(example.ids)
    return max(differences)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(("name", "implementation"), CASES)
def test_a_packed_documents_logits_are_those_of_the_document_alone(
    name: str, implementation: str, flat: bool
) -> None:
    model = build(name, implementation)
    collator = PackCollator(0, flat=flat)
    assert worst_difference(model, collator) <= 1e-4
    use_answer_loss(model)
    require_isolation(model, collator, "cpu")


class AllOnesMask(PackCollator):
    """A planted leak."""

    def __call__(self, packs: Sequence[Pack]) -> dict[str, Tensor]:
        batch = super().__call__(packs)
        return {**batch, "attention_mask": torch.ones_like(batch["input_ids"])}


class NoPositions(PackCollator):
    """A planted leak."""

    def __call__(self, packs: Sequence[Pack]) -> dict[str, Tensor]:
        batch = super().__call__(packs)
        del batch["position_ids"]
        return batch


@pytest.mark.parametrize("leak", [AllOnesMask, NoPositions])
@pytest.mark.parametrize(("name", "implementation"), CASES)
def test_a_planted_leak_is_seen(name: str, implementation: str, leak: type[PackCollator]) -> None:
    model = build(name, implementation)
    collator = leak(0, flat=False)
    assert worst_difference(model, collator) > 0.1
    use_answer_loss(model)
    if leak is AllOnesMask:
        require_isolation(model, collator, "cpu")  # the training's forward hands no mask on
        return
    with pytest.raises(GukbapError, match=rf"leaks between packed documents \(attention {implementation}\)"):
        require_isolation(model, collator, "cpu")


def test_a_cache_leaks_and_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers ignores the positions' borders where a cache is used, as a model does by default."""
    model = build("mistral", "sdpa")
    use_answer_loss(model)
    original = model.base_model.forward
    monkeypatch.setattr(model.base_model, "forward", lambda **given: original(**{**given, "use_cache": True}))
    with pytest.raises(GukbapError, match="leaks between packed documents"):
        require_isolation(model, PackCollator(0, flat=False), "cpu")


@pytest.mark.parametrize("name", MODELS)
def test_packed_and_padded_batches_have_the_same_loss_and_gradients(name: str) -> None:
    losses, gradients = [], []
    for batch in (PackCollator(0, flat=False)([tuple(DOCUMENTS)]), Collator(0)(DOCUMENTS)):
        model = build(name, "eager")
        use_answer_loss(model)
        loss = model(**batch)["loss"]
        loss.backward()
        losses.append(loss.item())
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for packed, padded in zip(*gradients, strict=True):
        assert torch.allclose(packed, padded, rtol=1e-3, atol=1e-4)


def test_a_packed_training_learns_and_a_leaking_one_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(batching="packed", gradient_accumulation=1)
    statistics = run(base, tmp_path / "one", chosen).statistics
    assert statistics["validation_loss"] < statistics["base_loss"]
    assert 1 < statistics["packs"] < statistics["examples"] and 0.5 < statistics["pack_fill"] <= 1
    original = PackCollator.__call__

    def leaking(self: PackCollator, packs: Sequence[Pack]) -> dict[str, Tensor]:
        batch = original(self, packs)
        return {**batch, "position_ids": torch.arange(batch["labels"].shape[1]).expand_as(batch["labels"])}

    monkeypatch.setattr(PackCollator, "__call__", leaking)
    with pytest.raises(GukbapError, match=r"leaks between packed documents.*\n.*\n.*train.batching=grouped"):
        run(base, tmp_path / "two", chosen)
    assert not (tmp_path / "two" / "model").exists()
