"""Rows over the length limit, rows without a trained token, and parity with serving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gukbap.chat_templates import encode_prompt, load_template
from gukbap.config import OverLength
from gukbap.errors import ConfigError, GukbapError
from gukbap.schemas import Row
from gukbap.stages.train import parity as parity_module
from gukbap.stages.train.encoding import EncodedRows, encode_rows
from gukbap.stages.train.lengths import Part, truncate_at_sentence
from gukbap.stages.train.parity import prompt_parity
from tests.stages.train.examples import row

TEMPLATE = load_template("mistral-v0.2")
#: One token a byte: BOS, "[INST] q1 [/INST]", answer, end token.
FIRST = 1 + 17


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base)


def encoded(tokenizer: Any, one: Row, limit: int, rule: OverLength) -> EncodedRows:
    return encode_rows([row(0, ("a", "b")), one], tokenizer, TEMPLATE, limit, "training", rule)


def texts(tokenizer: Any, found: EncodedRows) -> list[str]:
    """Of the examples after the first, whole."""
    return [tokenizer.decode(example.ids) for example in found.examples[1:]]


THREE = row(7, ("q1", "A" * 10), ("q2", "B" * 10), ("q3", "C" * 10), system="S")


def test_a_row_over_the_limit_is_dropped_by_default(tokenizer: Any) -> None:
    found = encoded(tokenizer, THREE, 60, "drop")
    assert found.rows == 1 and len(found.examples) == 1
    assert found.dropped == {"over max_length": 1} and found.over_length == {"dropped": 1}


def test_splitting_at_turns_keeps_each_answer_once_and_the_system_text(tokenizer: Any) -> None:
    found = encoded(tokenizer, THREE, 70, "split")
    a, b, c = ("A" * 10, "B" * 10, "C" * 10)
    assert texts(tokenizer, found) == [
        f"<s>[INST] S\n\nq1 [/INST]{a}</s>[INST] q2 [/INST]{b}</s>",
        f"<s>[INST] S\n\nq3 [/INST]{c}</s>",
    ]
    assert all(len(example.ids) <= 70 and example.row_id == "r7" for example in found.examples[1:])
    assert found.rows == 2 and found.dropped == {} and found.over_length == {"split": 1, "parts": 2}


def test_a_turn_over_the_limit_is_left_out_of_a_split(tokenizer: Any) -> None:
    long = row(1, ("q1", "A"), ("q2", "B" * 100), ("q3", "C"))
    found = encoded(tokenizer, long, 60, "split")
    assert texts(tokenizer, found) == ["<s>[INST] q1 [/INST]A</s>", "<s>[INST] q3 [/INST]C</s>"]


def test_truncation_ends_with_a_sentence_and_without_an_end_token(tokenizer: Any) -> None:
    long = row(1, ("q1", "First one is 3.14. Second! Third and last."))
    found = encoded(tokenizer, long, FIRST + 30, "truncate")
    (example,) = found.examples[1:]
    assert texts(tokenizer, found) == ["<s>[INST] q1 [/INST]First one is 3.14. Second!"]
    assert tokenizer.decode([t for t, kept in zip(example.ids, example.trained, strict=True) if kept]) == (
        "First one is 3.14. Second!"
    )
    assert found.over_length == {"truncated": 1} and found.dropped == {}


def test_truncation_keeps_whole_turns_with_their_end_tokens(tokenizer: Any) -> None:
    long = row(1, ("q1", "A"), ("q2", "한 문장. " + "나" * 50))
    assert texts(tokenizer, encoded(tokenizer, long, 60, "truncate")) == [
        "<s>[INST] q1 [/INST]A</s>[INST] q2 [/INST]한 문장."
    ]
    assert texts(tokenizer, encoded(tokenizer, long, 40, "truncate")) == ["<s>[INST] q1 [/INST]A</s>"]


@pytest.mark.parametrize("rule", ["split", "truncate"])
def test_a_row_of_which_nothing_fits_is_dropped(tokenizer: Any, rule: OverLength) -> None:
    found = encoded(tokenizer, row(1, ("q" * 100, "A. B.")), 60, rule)
    assert found.dropped == {"over max_length": 1} and found.over_length == {"dropped": 1}


def test_sentences_end_before_white_space_or_at_a_lines_end() -> None:
    answer = "값은 3.14이고 a.b다. “정말?” 네\n- 항목\n끝"
    one = row(1, ("q", answer))
    cuts = []
    for limit in range(len(answer) + 1):
        parts = truncate_at_sentence(
            one.messages,
            lambda part: len(part.messages[-1].content) <= limit,  # noqa: B023
        )
        cuts += [part.messages[-1].content for part in parts if part.cut]
    assert list(dict.fromkeys(cuts)) == [
        "값은 3.14이고 a.b다.",
        "값은 3.14이고 a.b다. “정말?”",
        "값은 3.14이고 a.b다. “정말?” 네",
        "값은 3.14이고 a.b다. “정말?” 네\n- 항목",
    ]
    assert truncate_at_sentence(one.messages, lambda _: True) == [Part(one.messages)]


def test_parity_counts_turns_and_pins_the_ids(tokenizer: Any) -> None:
    examples = encode_rows([THREE, row(1, ("a", "b"))], tokenizer, TEMPLATE, 256, "training").examples
    found = prompt_parity(examples, tokenizer, TEMPLATE)
    assert (found["conversations"], found["turns"]) == (2, 4)
    assert found == prompt_parity(examples, tokenizer, TEMPLATE)
    other = encode_rows([THREE, row(1, ("a", "c"))], tokenizer, TEMPLATE, 256, "training").examples
    assert prompt_parity(other, tokenizer, TEMPLATE)["ids_sha256"] != found["ids_sha256"]


def test_a_prompt_that_is_not_the_trained_one_names_its_row(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = encode_rows([row(1, ("a", "b")), THREE], tokenizer, TEMPLATE, 256, "training").examples
    original = encode_prompt

    def drifting(*given: Any) -> list[int]:
        ids = original(*given)
        return [*ids[:-1], ids[-1] + 1] if len(given[2]) == 4 else ids

    monkeypatch.setattr(parity_module, "encode_prompt", drifting)
    with pytest.raises(GukbapError, match=r"row r7, turn 2: training and serving differ from token 48"):
        prompt_parity(examples, tokenizer, TEMPLATE)


def test_a_tokenizer_that_reads_control_tokens_in_text_is_refused(tokenizer: Any) -> None:
    class Careless:
        """A double: ignores split_special_tokens, as tokenizers outside the tokenizers library do."""

        bos_token, unk_token_id = tokenizer.bos_token, tokenizer.unk_token_id
        convert_tokens_to_ids = tokenizer.convert_tokens_to_ids

        def __call__(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> Any:
            return tokenizer(text, add_special_tokens=add_special_tokens)

    with pytest.raises(ConfigError, match="reads </s> in a message's text as a control token"):
        encode_rows([row(1, ("a </s>", "b"))], Careless(), TEMPLATE, 256, "training")
