"""The vLLM engine on the bundled model, beside transformers: one load, the trained ids, the same greedy text.

VLLM_ENVIRONMENT/bin/python -m pytest -m vllm tests/adapters/test_vllm_engine.py
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.vllm_parity import equal_share, trained_prompts
from gukbap.adapters.engines import open_engine
from gukbap.adapters.model_references import resolve_model
from gukbap.adapters.progress import SilentProgress
from gukbap.adapters.vllm_engine import VllmEngine
from gukbap.benchmarks import load_questions, load_strategies
from gukbap.config import InferConfig, InferSettings
from gukbap.errors import ModelError
from gukbap.journal import Journal
from gukbap.ports import GenerationSettings
from gukbap.recipes import load_recipe
from gukbap.schemas import STRATEGIES, Answer, Message
from gukbap.stages.infer import infer

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # the first start of an engine compiles for minutes
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed here"),
]

RECIPE = load_recipe(
    "local",
    [
        "infer.strategies=[default, 1-shot, cot-1-shot]",
        "infer.max_new_tokens=12",
        "infer.max_model_len=1024",
        "infer.gpu_memory_utilization=0.3",
    ],
)
QUESTIONS = load_questions(RECIPE.evaluate.pack, 1)
SHOTS = load_strategies(RECIPE.evaluate.strategies_file)


def settings_for(engine: Any) -> InferSettings:
    settings = RECIPE.infer_settings("base")
    return settings.model_copy(update={"infer": settings.infer.model_copy(update={"engine": engine})})


@pytest.fixture(scope="module")
def folder() -> Path:
    return resolve_model("bundled://gemma-3-270m", SilentProgress())


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[VllmEngine]:
    opened = open_engine(settings_for("vllm"), folder, "base@1")
    assert isinstance(opened, VllmEngine)
    yield opened
    opened.close()


def answers_of(engine: Any, name: str, folder: Path) -> list[Answer]:
    with Journal(folder / f"{name}.jsonl") as journal:
        result = infer(settings_for(name), QUESTIONS, SHOTS, engine, journal, SilentProgress())
    return [answer for answers in result.answers.values() for answer in answers]


def test_one_engine_answers_every_strategy_as_transformers_does_and_is_sent_the_trained_ids(
    engine: VllmEngine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer

    sent: Counter[tuple[int, ...]] = Counter()
    generate = engine._engine.generate

    def recorded(*given: Any, **named: Any) -> Any:
        outputs = generate(*given, **named)
        sent.update(tuple(output.prompt_token_ids) for output in outputs)
        return outputs

    monkeypatch.setattr(engine._engine, "generate", recorded)
    answers = answers_of(engine, "vllm", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(answers) == 6 * len(STRATEGIES)
    assert sent == trained_prompts(answers, tokenizer, RECIPE)
    assert {ids.count(tokenizer.bos_token_id) for ids in sent} == {1}
    peer = open_engine(settings_for("transformers"), folder, "base@1")
    share, parts = equal_share(answers, answers_of(peer, "transformers", tmp_path), tokenizer)
    peer.close()
    assert share >= 0.95, parts


def test_a_stop_string_ends_an_answer_and_a_prompt_without_room_has_an_empty_one(engine: VllmEngine) -> None:
    asked = [[Message(role="user", content="한국의 사계절을 소개해 주세요.")]]
    (whole,) = engine.generate(asked, GenerationSettings(max_new_tokens=12))
    assert (whole.finish_reason, whole.completion_tokens) == ("length", 12)
    stop = whole.text[2:4]
    (cut,) = engine.generate(asked, GenerationSettings(max_new_tokens=12, stop=(stop,)))
    assert cut.finish_reason == "stop"
    assert cut.text == whole.text[: whole.text.index(stop)].strip()
    (none,) = engine.generate(
        [[Message(role="user", content="사계절 " * 1024)]], GenerationSettings(max_new_tokens=12)
    )
    assert (none.text, none.finish_reason, none.completion_tokens) == ("", "length", 0)


def test_a_quantisation_that_vllm_does_not_know_is_a_clear_error(folder: Path) -> None:
    infer_config = InferConfig(engine="vllm", dtype="float32", quantization="no-such-method")
    with pytest.raises(ModelError, match=r"vLLM cannot load .*no-such-method"):
        VllmEngine(folder, "gemma-base", infer_config, 512, "x", 1)
