"""Every prompt of the offline pack under every strategy: the ids that are sent are those that are trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.model_references import resolve_model
from gukbap.adapters.progress import SilentProgress
from gukbap.adapters.transformers_engine import TransformersEngine
from gukbap.benchmarks import load_questions, load_strategies
from gukbap.chat_templates import ChatTemplate, encode_prompt, encode_segments, load_template
from gukbap.config import EvaluateConfig, InferConfig, InferSettings, StudentConfig
from gukbap.journal import Journal
from gukbap.schemas import STRATEGIES, Answer, Message
from gukbap.stages.infer import infer

QUESTIONS = load_questions("bundled://offline-pack", None)
SHOTS = load_strategies("bundled://strategies")
TEMPLATES = ("mistral-v0.2", "chatml", "gemma", "gemma-base")


def conversations(answers: Sequence[Answer]) -> Iterator[list[Message]]:
    """Both turns of each answer, with the model's own text, as rows of training data would have them."""
    for answer in answers:
        conversation = list(SHOTS[answer.strategy])
        for question, output in zip(answer.question.questions, answer.outputs, strict=True):
            conversation += [
                Message(role="user", content=question),
                Message(role="assistant", content=output),
            ]
            yield list(conversation)


def trained_before_the_answer(tokenizer: Any, template: ChatTemplate, messages: list[Message]) -> list[int]:
    *before, answer = encode_segments(tokenizer, template, messages)
    assert answer.trained
    return [token for segment in before for token in segment.ids]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_real_engine_is_sent_the_trained_ids_with_one_bos(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = resolve_model("random://mistral-tiny?seed=7", SilentProgress())
    engine = TransformersEngine(folder, name, "float32", 64, 4096, "tiny@1")
    sent: list[list[int]] = []
    generate = engine._model.generate

    def recorded(**given: Any) -> Any:
        rows = zip(given["input_ids"], given["attention_mask"], strict=True)
        sent.extend(ids[mask.bool()].tolist() for ids, mask in rows)
        return generate(**given)

    monkeypatch.setattr(engine._model, "generate", recorded)
    settings = InferSettings(
        seed=1,
        student=StudentConfig(model="random://mistral-tiny?seed=7", chat_template=name, max_length=4096),
        infer=InferConfig(max_new_tokens=1),
        evaluate=EvaluateConfig(),
        subject="base",
    )
    with Journal(tmp_path / "calls.jsonl") as journal:
        answers = infer(settings, QUESTIONS, SHOTS, engine, journal, SilentProgress()).answers
    tokenizer, template = engine._tokenizer, load_template(name)
    expected = [
        trained_before_the_answer(tokenizer, template, conversation)
        for given in answers.values()
        for conversation in conversations(given)
    ]
    assert len(sent) == len(QUESTIONS) * len(STRATEGIES) * 2
    assert sorted(sent) == sorted(expected)
    for ids in sent:
        assert ids.count(tokenizer.bos_token_id) == int(template.uses_bos)
        assert (ids[0] == tokenizer.bos_token_id) is template.uses_bos


@pytest.mark.model
@pytest.mark.parametrize("name", ["gemma", "gemma-base"])
def test_gemmas_tokenizer_encodes_the_trained_ids_with_one_bos(name: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve_model("bundled://gemma-3-270m", SilentProgress()))
    template = load_template(name)
    answers = [
        Answer(
            question=question,
            subject="base",
            strategy=strategy,
            model="m",
            outputs=["1. 먼저 뜻을 봅니다.\n2. <b>답</b>은 3입니다.", "네."],
            finish_reasons=["stop", "stop"],
            prompt_tokens=[1, 1],
            completion_tokens=[1, 1],
        )
        for question in QUESTIONS
        for strategy in STRATEGIES
    ]
    for conversation in conversations(answers):
        ids = encode_prompt(tokenizer, template, conversation[:-1])
        assert ids == trained_before_the_answer(tokenizer, template, conversation)
        assert ids[0] == tokenizer.bos_token_id and ids.count(ids[0]) == 1
