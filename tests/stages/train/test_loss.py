"""The loss against a plain computation; padding, accumulation and soft-capping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gukbap.chat_templates import load_template
from gukbap.stages.train import loss as loss_module
from gukbap.stages.train.batches import Collator
from gukbap.stages.train.encoding import Example, encode_rows
from gukbap.stages.train.loss import use_answer_loss
from tests.stages.train.examples import row, rows


def load(base: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)


@pytest.fixture
def examples(base: Path) -> list[Example]:
    from transformers import AutoTokenizer

    template = load_template("mistral-v0.2")
    return encode_rows(rows(5), AutoTokenizer.from_pretrained(base), template, 256, "training").examples


def expected(model: Any, examples: list[Example], *, everything: bool = False) -> tuple[Tensor, int]:
    """Sum and count, one example after the other, without padding, from full logits."""
    total, count = torch.zeros(()), 0
    for example in examples:
        ids = torch.tensor([example.ids])
        logits = model(input_ids=ids).logits[0, :-1]
        chosen = torch.tensor(example.trained[1:]) | everything
        total = total + cross_entropy(logits[chosen], ids[0, 1:][chosen], reduction="sum")
        count += int(chosen.sum())
    return total, count


def test_loss_and_gradients_are_those_of_full_logits(base: Path, examples: list[Example]) -> None:
    plain, ours = load(base), load(base)
    use_answer_loss(ours)
    total, count = expected(plain, examples)
    torch.autograd.backward(total / count)
    found = ours(**Collator(0)(examples))["loss"]
    found.backward()
    assert found.item() == pytest.approx((total / count).item(), rel=1e-5)
    for (name, ours_p), plain_p in zip(ours.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours_p.grad, plain_p.grad, atol=1e-6), name


def test_chunks_change_nothing(base: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = []
    for at_once in (1 << 27, 7 * 264):
        monkeypatch.setattr(loss_module, "LOGITS_AT_ONCE", at_once)
        model = load(base)
        use_answer_loss(model)
        model(**Collator(0)(examples))["loss"].backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))


def test_micro_batches_add_up_to_the_whole_batch(base: Path, examples: list[Example]) -> None:
    """A last, smaller micro-batch weighs by its tokens, not as much as a full one."""
    model = load(base)
    use_answer_loss(model)
    count = sum(sum(example.trained) for example in examples)
    whole = model(**Collator(0)(examples))["loss"].item()
    parts = [examples[:3], examples[3:4], examples[4:]]
    summed = sum(model(**Collator(0)(part), num_items_in_batch=count)["loss"].item() for part in parts)
    assert summed == pytest.approx(whole, rel=1e-5)


def test_full_sequence_losses(base: Path, examples: list[Example]) -> None:
    plain, ours = load(base), load(base)
    use_answer_loss(ours)
    with torch.no_grad():
        found = ours(**Collator(0)(examples), full_sequence=True)
        for kind, everything in (("answer", False), ("full", True)):
            total, count = expected(plain, examples, everything=everything)
            assert int(found[f"{kind}_count"]) == count
            assert found[f"{kind}_sum"].item() == pytest.approx(total.item(), rel=1e-5)


def test_soft_capping_of_gemma_2() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    torch.manual_seed(0)
    config = Gemma2Config(vocab_size=50, **sizes, **heads, final_logit_softcapping=0.5)
    model = Gemma2ForCausalLM(config).eval()
    example = Example(list(range(3, 13)), [False] * 4 + [True] * 6)
    with torch.no_grad():
        total, count = expected(model, [example])
        use_answer_loss(model)
        found = model(**Collator(0)([example]))["loss"]
    assert found.item() == pytest.approx((total / count).item(), rel=1e-5)


def test_the_mask_covers_every_answer_with_its_end_token(base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    talk = row(0, ("하나?", "첫째 답"), ("둘?", "둘째 답"), system="짧게.")
    (example,) = encode_rows([talk], tokenizer, load_template("mistral-v0.2"), 256, "training").examples
    trained = [token for token, kept in zip(example.ids, example.trained, strict=True) if kept]
    assert tokenizer.decode(trained) == "첫째 답</s>둘째 답</s>"


def test_padding_with_the_end_token_keeps_its_label() -> None:
    batch = Collator(2)(
        [Example([1, 5, 2], [False, True, True]), Example([1, 5, 6, 2], [False] * 3 + [True])]
    )
    assert batch["labels"].tolist() == [[-100, 5, 2, -100], [-100, -100, -100, 2]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
