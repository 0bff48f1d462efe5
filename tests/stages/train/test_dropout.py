"""Residual dropout: the ramp, that evaluation is free of it, and that an interruption changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel

from gukbap.errors import ConfigError
from gukbap.stages.train.dropout import rate_at, use_residual_dropout
from tests.stages.train.examples import settings
from tests.stages.train.test_train import Killed, interrupt_at, kill, run, same_weights


def dropped(model: Any, names: tuple[str, str]) -> list[list[float]]:
    """The part of zeros in what each layer's branches give in training."""
    parts: list[list[float]] = []
    for layer in model.base_model.layers:
        found: list[float] = []
        parts.append(found)
        for name in names:

            def look(module: Any, inputs: Any, output: Any, found: list[float] = found) -> None:
                tensor = output if isinstance(output, torch.Tensor) else output[0]
                found.append(float((tensor == 0).float().mean()))

            getattr(layer, name).register_forward_hook(look)
    model.train()
    model(input_ids=torch.arange(200).repeat(4, 1) % 40)
    return parts


def test_the_ramp_is_linear_from_the_bottom_to_the_top() -> None:
    assert [rate_at(depth, 4, 0.3) for depth in range(4)] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert rate_at(0, 1, 0.3) == 0.0


def test_both_branches_of_each_layer_are_dropped(base: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(base)
    use_residual_dropout(model, 0.3)
    bottom, top = dropped(model, ("self_attn", "mlp"))
    assert bottom == [0.0, 0.0] and top == pytest.approx([0.3, 0.3], abs=0.02)


def test_gemmas_normalised_branches_are_dropped() -> None:
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    model = Gemma2ForCausalLM(Gemma2Config(vocab_size=50, **sizes, **heads))
    use_residual_dropout(model, 0.4)
    parts = dropped(model, ("post_attention_layernorm", "post_feedforward_layernorm"))
    assert [sum(part) / 2 for part in parts] == pytest.approx([0.0, 0.2, 0.4], abs=0.03)


def test_evaluation_is_free_of_it(base: Path) -> None:
    ids = torch.arange(40).unsqueeze(0)
    plain, ours = (AutoModelForCausalLM.from_pretrained(base).eval() for _ in range(2))
    use_residual_dropout(ours, 0.3)
    assert torch.equal(plain(input_ids=ids).logits, ours(input_ids=ids).logits)


def test_unknown_layers_are_refused() -> None:
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=20))
    with pytest.raises(ConfigError, match="layers of GPT2LMHeadModel are not known"):
        use_residual_dropout(model, 0.3)
    use_residual_dropout(model, 0.0)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_killed_training_ends_with_the_same_weights(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpointing: bool
) -> None:
    """Which parts are dropped is part of a checkpoint."""
    chosen = settings(residual_dropout=0.3, gradient_checkpointing=checkpointing)
    whole = run(base, tmp_path / "whole", chosen)
    with monkeypatch.context() as patch:
        interrupt_at(patch, "on_step_end", 3, kill)
        with pytest.raises(Killed):
            run(base, tmp_path, chosen)
    assert same_weights(run(base, tmp_path, chosen).model, whole.model)
    undropped = run(base, tmp_path / "undropped", settings())
    assert not same_weights(undropped.model, whole.model)
