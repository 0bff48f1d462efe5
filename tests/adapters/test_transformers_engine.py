"""The transformers engine on a tiny random model, and on a real one that writes Korean."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gukbap.adapters.model_references import resolve_model
from gukbap.adapters.progress import SilentProgress
from gukbap.adapters.stop_strings import before_stop
from gukbap.adapters.transformers_engine import TransformersEngine
from gukbap.chat_templates import encode_prompt, load_template
from gukbap.config import LOGICKOR_STOP
from gukbap.errors import ModelError
from gukbap.korean import hangul_share
from gukbap.ports import GenerationSettings
from gukbap.schemas import Message

TEMPLATE = load_template("mistral-v0.2")
CONVERSATIONS = [
    [Message(role="user", content="짧게?")],
    [Message(role="system", content="단계별로 생각하세요."), Message(role="user", content="길게 " * 12)],
    [
        Message(role="user", content="하나"),
        Message(role="assistant", content="둘"),
        Message(role="user", content="셋?"),
    ],
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return resolve_model("random://mistral-tiny?seed=7", SilentProgress())


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[TransformersEngine]:
    opened = open_engine(folder)
    yield opened
    opened.close()


def open_engine(folder: Path, batch_size: int = 8, max_length: int = 512) -> TransformersEngine:
    return TransformersEngine(folder, "mistral-v0.2", "auto", batch_size, max_length, "tiny@1")


def settings(max_new_tokens: int = 24, stop: tuple[str, ...] = ()) -> GenerationSettings:
    return GenerationSettings(max_new_tokens=max_new_tokens, stop=stop)


def load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)


def greedy_ids(folder: Path, conversation: list[Message], steps: int) -> tuple[list[int], Any]:
    """Greedy decoding written out: no cache, no padding, no batch."""
    tokenizer, model = load(folder)
    ids = encode_prompt(tokenizer, TEMPLATE, conversation)
    new: list[int] = []
    with torch.inference_mode():
        for _ in range(steps):
            new.append(int(model(torch.tensor([ids + new]), use_cache=False).logits[0, -1].argmax()))
    return new, tokenizer


def test_answers_are_those_of_plain_greedy_decoding(folder: Path, engine: TransformersEngine) -> None:
    replies = engine.generate(CONVERSATIONS, settings())
    for conversation, reply in zip(CONVERSATIONS, replies, strict=True):
        ids, tokenizer = greedy_ids(folder, conversation, 24)
        assert reply.text == tokenizer.decode(ids, skip_special_tokens=True).strip()
        assert (reply.finish_reason, reply.completion_tokens) == ("length", 24)


def test_answers_keep_their_order_and_do_not_depend_on_their_batch(
    folder: Path, engine: TransformersEngine
) -> None:
    together = engine.generate(CONVERSATIONS, settings())
    assert together == [engine.generate([one], settings())[0] for one in CONVERSATIONS]
    assert together[::-1] == engine.generate(CONVERSATIONS[::-1], settings())
    assert together == open_engine(folder, batch_size=2).generate(CONVERSATIONS, settings())


def test_prompt_has_one_bos_and_is_counted(folder: Path, engine: TransformersEngine) -> None:
    tokenizer, _ = load(folder)
    for conversation, reply in zip(CONVERSATIONS, engine.generate(CONVERSATIONS, settings(1)), strict=True):
        ids = encode_prompt(tokenizer, TEMPLATE, conversation)
        assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id
        assert reply.prompt_tokens == len(ids)


def test_stop_string_ends_one_answer_and_not_its_neighbours(engine: TransformersEngine) -> None:
    whole = engine.generate(CONVERSATIONS, settings())
    stop = whole[1].text[6:9]
    assert stop.strip() and stop not in whole[0].text + whole[2].text
    stopped = engine.generate(CONVERSATIONS, settings(stop=("[없음]", stop)))
    assert stopped[1].text == whole[1].text[: whole[1].text.index(stop)].strip()
    assert stopped[1].finish_reason == "stop"
    assert stopped[1].completion_tokens < 24
    assert (stopped[0], stopped[2]) == (whole[0], whole[2])


def test_end_token_of_the_template_ends_an_answer(folder: Path, tmp_path: Path) -> None:
    ids, tokenizer = greedy_ids(folder, CONVERSATIONS[0], 24)
    place = next(i for i in range(3, 24) if ids[i] not in ids[:i])
    _, model = load(folder)
    # The token at that place and the end token change their output rows: the model now ends there.
    swapped, end = ids[place], tokenizer.convert_tokens_to_ids(TEMPLATE.end_token)
    rows = model.lm_head.weight.data
    rows[[swapped, end]] = rows[[end, swapped]]
    shutil.copytree(folder, tmp_path / "ending")
    model.save_pretrained(tmp_path / "ending")
    (reply,) = open_engine(tmp_path / "ending").generate([CONVERSATIONS[0]], settings())
    assert reply.text == tokenizer.decode(ids[:place], skip_special_tokens=True).strip()
    assert (reply.finish_reason, reply.completion_tokens) == ("stop", place + 1)


def test_models_own_sampling_defaults_are_not_used_but_its_end_tokens_are(
    folder: Path, engine: TransformersEngine, tmp_path: Path
) -> None:
    ids, _ = greedy_ids(folder, CONVERSATIONS[0], 24)
    place = next(i for i in range(3, 24) if ids[i] not in ids[:i])
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    own = {"do_sample": True, "repetition_penalty": 5.0, "eos_token_id": [ids[place]]}
    (changed / "generation_config.json").write_text(json.dumps(own), encoding="utf-8")
    (reply,) = open_engine(changed).generate([CONVERSATIONS[0]], settings())
    assert (reply.finish_reason, reply.completion_tokens) == ("stop", place + 1)
    (whole,) = engine.generate([CONVERSATIONS[0]], settings())
    assert whole.text.startswith(reply.text[:-1])


def test_prompt_and_answer_stay_within_max_length(folder: Path, engine: TransformersEngine) -> None:
    lengths = [reply.prompt_tokens for reply in engine.generate(CONVERSATIONS, settings(1))]
    tight = open_engine(folder, max_length=lengths[2] + 5)
    short, long, middle = tight.generate(CONVERSATIONS, settings())
    assert lengths[0] < lengths[2] < lengths[1]
    assert (middle.completion_tokens, middle.finish_reason) == (5, "length")
    assert short.completion_tokens == min(24, lengths[2] + 5 - lengths[0])
    assert (long.text, long.finish_reason, long.completion_tokens) == ("", "length", 0)
    assert long.prompt_tokens == lengths[1]


def test_sampling_is_seeded(engine: TransformersEngine) -> None:
    def draw(seed: int) -> str:
        sampled = GenerationSettings(max_new_tokens=24, temperature=1.0, seed=seed)
        return engine.generate([CONVERSATIONS[0]], sampled)[0].text

    assert draw(1) == draw(1) != draw(2)


def test_folder_without_a_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_engine(tmp_path)


def test_text_before_the_first_stop_string() -> None:
    assert before_stop("하나[INST]둘<eos>", ("<eos>", "[INST]")) == "하나"
    assert before_stop("하나", ("<eos>",)) == "하나"
    assert before_stop("하나", ()) == "하나"


@pytest.mark.model
def test_real_model_reads_its_prompt_and_stops_at_the_end_of_a_korean_sentence() -> None:
    folder = resolve_model("bundled://gemma-3-270m", SilentProgress())
    gemma = TransformersEngine(folder, "gemma", "auto", 4, 512, "gemma@1")
    examples = [
        Message(role="user", content="우리나라의 수도는 어디인가요?"),
        Message(role="assistant", content="우리나라의 수도는 서울입니다."),
    ]
    asked = [
        [*examples, Message(role="user", content="일본의 수도는 어디인가요?")],
        [Message(role="user", content="한국의 사계절을 소개해 주세요.")],
    ]
    # A base model has not learnt the end of a turn, so the end of a sentence stops it here.
    replies = gemma.generate(asked, settings(40, (".", *LOGICKOR_STOP)))
    gemma.close()
    assert replies[0].text.startswith("우리나라의 수도는")
    assert all(reply.finish_reason == "stop" for reply in replies)
    assert all(hangul_share(reply.text) > 0.9 and "." not in reply.text for reply in replies)


@pytest.mark.model
def test_real_model_needs_the_bos_that_the_prompt_has() -> None:
    folder = resolve_model("bundled://gemma-3-270m", SilentProgress())
    tokenizer, model = load(folder)
    text = "오늘은 날씨가 맑아서 친구와 함께 공원에서 자전거를 타고 점심으로 김밥을 먹었습니다."
    ids = encode_prompt(tokenizer, load_template("gemma"), [Message(role="user", content=text)])
    assert ids[0] == tokenizer.bos_token_id and ids.count(ids[0]) == 1

    def loss(tokens: list[int]) -> float:
        batch = torch.tensor([tokens])
        with torch.inference_mode():
            return float(model(batch, labels=batch).loss)

    assert loss(ids) < loss(ids[1:]) - 1
