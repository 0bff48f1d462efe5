"""What is trained, over generated conversations in each template: the answers with their end tokens."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.model_references import resolve_gguf
from gukbap.adapters.progress import SilentProgress
from gukbap.chat_templates import ChatTemplate, encode_segments, load_template
from gukbap.schemas import Row
from gukbap.stages.train.encoding import Example, encode_rows
from gukbap.stages.train.parity import prompt_parity
from tests.stages.train.conversations import conversations, sentencepiece_like_tokenizer

TEMPLATES = ("mistral-v0.2", "chatml", "gemma", "gemma-base")


def trained_texts(example: Example, tokenizer: Any) -> list[str]:
    """The runs of trained ids, decoded."""
    pairs = zip(example.ids, example.trained, strict=True)
    runs = groupby(pairs, key=lambda pair: pair[1])
    spans = [[token for token, _ in pairs] for trained, pairs in runs if trained]
    return [tokenizer.decode(ids, clean_up_tokenization_spaces=False) for ids in spans]


def check(tokenizer: Any, template: ChatTemplate, rows: list[Row]) -> None:
    """Answers and end tokens are trained, nothing else; no message holds a control token; prompts are
    those of serving."""
    encoded = encode_rows(rows, tokenizer, template, 1 << 20, "generated")
    assert encoded.dropped == {} and encoded.rows == len(encoded.examples) == len(rows)
    control = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    control.discard(tokenizer.unk_token_id)
    for row, example in zip(rows, encoded.examples, strict=True):
        answers = [message.content.strip() for message in row.messages if message.role == "assistant"]
        assert trained_texts(example, tokenizer) == [answer + template.end_token for answer in answers]
        plain = [message.model_copy(update={"content": "x"}) for message in row.messages]
        own = [token for segment in encode_segments(tokenizer, template, plain) for token in segment.ids]
        assert [t for t in example.ids if t in control] == [t for t in own if t in control]
    parity = prompt_parity(encoded.examples, tokenizer, template)
    assert parity["turns"] == sum(message.role == "user" for row in rows for message in row.messages)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_thousand_conversations_train_answers_with_end_tokens_alone(name: str) -> None:
    rows = list(conversations(250, seed=TEMPLATES.index(name)))
    check(sentencepiece_like_tokenizer(), load_template(name), rows)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_same_with_a_token_a_byte(base: Path, name: str) -> None:
    from transformers import AutoTokenizer

    rows = list(conversations(100, seed=TEMPLATES.index(name) + 4))
    check(AutoTokenizer.from_pretrained(base), load_template(name), rows)


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("bundled://gemma-3-270m", ("gemma", "gemma-base")),
        ("bundled://qwen2.5-coder-1.5b-instruct", ("chatml",)),
    ],
)
def test_the_same_with_real_tokenizers(model: str, names: tuple[str, ...]) -> None:
    from transformers import AutoTokenizer

    gguf = resolve_gguf(model, SilentProgress())
    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    for name in names:
        check(tokenizer, load_template(name), list(conversations(250, seed=11)))
