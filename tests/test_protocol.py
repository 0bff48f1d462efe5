"""LogicKor's protocol: what a faithful recipe holds, and how departures are refused or told."""

from __future__ import annotations

import pytest

from gukbap.config import LOGICKOR_STOP, answer_length, deviations, model_length
from gukbap.errors import ConfigError
from gukbap.recipes import load_recipe

CARDS = ("gukbap-mistral-7b", "gukbap-qwen2-7b", "gukbap-gemma2-9b")

#: each departure, and the key that its sentence names
DEPARTURES = [
    ("infer.max_new_tokens=1024", "infer.max_new_tokens is 1024, below the model length of 8192"),
    ("infer.stop=['[INST]']", "infer.stop is not LogicKor's: without <|endoftext|>"),
    (f"infer.stop={[*LOGICKOR_STOP, '###']}", "infer.stop is not LogicKor's: with ###"),
    ("evaluate.questions_per_category=2", "evaluate.questions_per_category is 2"),
    ("infer={engine: openai, base_url: 'http://127.0.0.1:9/v1'}", "a chat template of its own"),
]


@pytest.mark.parametrize("name", CARDS)
def test_the_recipes_of_the_cards_are_faithful(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.evaluate.mode == "faithful"
    assert deviations(recipe) == deviations(recipe.infer_settings("tuned")) == []
    assert answer_length(recipe) == model_length(recipe) == 8192


def test_the_model_length_is_the_students_unless_it_is_set() -> None:
    recipe = load_recipe(CARDS[0], ["infer.max_model_len=4096"])
    assert answer_length(recipe) == model_length(recipe) == 4096
    assert deviations(recipe) == []
    assert deviations(load_recipe(CARDS[0], ["infer.max_new_tokens=8192"])) == []


def test_a_server_that_gets_token_ids_is_no_departure() -> None:
    server = "infer={engine: openai, openai_api: completions, base_url: 'http://127.0.0.1:9/v1'}"
    assert deviations(load_recipe(CARDS[0], [server])) == []


def test_token_ids_for_a_server_need_a_server() -> None:
    with pytest.raises(ConfigError, match="openai_api 'completions' needs engine 'openai', not 'vllm'"):
        load_recipe(CARDS[0], ["infer.openai_api=completions"])


def test_which_strategies_are_asked_is_no_departure() -> None:
    assert deviations(load_recipe(CARDS[0], ["infer.strategies=[1-shot]"])) == []


@pytest.mark.parametrize(("override", "words"), DEPARTURES)
def test_a_faithful_recipe_that_departs_is_refused_and_a_custom_one_tells_it(
    override: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.mode is faithful, but ") as refused:
        load_recipe(CARDS[0], [override])
    assert words in str(refused.value)
    (told,) = deviations(load_recipe(CARDS[0], [override, "evaluate.mode=custom"]))
    assert words in told


def test_every_departure_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        load_recipe(CARDS[0], [DEPARTURES[0][0], DEPARTURES[1][0], DEPARTURES[3][0]])
    for _, words in (DEPARTURES[0], DEPARTURES[1], DEPARTURES[3]):
        assert words in str(refused.value)


def test_the_local_recipe_is_custom_and_says_where() -> None:
    keys = [told.split()[0] for told in deviations(load_recipe("local"))]
    assert keys == ["infer.max_new_tokens", "evaluate.questions_per_category"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("infer.quantization=awq", "needs engine 'vllm'"),
        ("infer.tensor_parallel_size=2", "needs engine 'vllm'"),
        ("infer.max_model_len=16", "greater than or equal to 32"),
    ],
)
def test_a_setting_that_the_engine_cannot_follow_is_refused(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_recipe("local", [override])
