"""The model card: metadata that the hub can read, and a body whose every number was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gukbap.benchmarks import PackIdentity
from gukbap.chat_templates import load_template
from gukbap.recipes import load_recipe
from gukbap.schemas import CATEGORIES
from gukbap.stages.report import (
    Baseline,
    Licence,
    ModelSource,
    Questions,
    RunFacts,
    build_facts,
    model_card,
)
from tests.judgements import judgement
from tests.stages.report import samples

GEMMA = Licence(
    name="Gemma Terms of Use", url="https://ai.google.dev/gemma/terms", notice="Gemma is provided…"
)
QUESTIONS = Questions(identity=PackIdentity(name="logickor", commit="c" * 40, sha256="d" * 64), logickor=True)


def _facts(name: str = "local", *overrides: str, **values: Any) -> RunFacts:
    recipe = samples.recipe(*overrides, name=name)
    given: dict[str, Any] = {
        "statistics": samples.statistics(),
        "rows": samples.rows(),
        "sources": {recipe.student.model: ModelSource(licence=GEMMA, hub="someone/gemma", sha256="e" * 64)},
        "questions": QUESTIONS,
        "dataset_sha256": "a" * 64,
        "model_sha256": "b" * 64,
        **values,
    }
    return build_facts(recipe, **given)


def _parts(card: str) -> tuple[dict[str, Any], str]:
    empty, front, body = card.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front), body


def test_the_hub_reads_the_metadata() -> None:
    hub = pytest.importorskip("huggingface_hub")
    text = model_card(_facts(), samples.judgements())
    data = hub.ModelCard(text).data
    assert data.language == ["ko"]
    assert data.license == "gemma"
    assert data.base_model == "someone/gemma"
    assert data.pipeline_tag == "text-generation"
    assert "logickor" in data.tags
    assert data.model_name == "gukbap-local"
    assert len(data.eval_results) == 3 * (len(CATEGORIES) + 3)
    (overall,) = [
        one
        for one in data.eval_results
        if one.dataset_config == "1-shot" and one.metric_name.startswith("overall")
    ]
    assert overall.dataset_revision == "c" * 40
    assert "| tuned | 1-shot |" in text
    (line,) = [
        line for line in text.split("\n") if line.startswith("| tuned | 1-shot |") and line.count("/") == 1
    ]
    assert f"{overall.metric_value:.2f}" == line.split(" | ")[10]
    # What the hub would write is what stands there.
    again = hub.ModelCardData(**yaml.safe_load(data.to_yaml()), ignore_metadata_errors=False)
    assert again.to_dict() == data.to_dict()


def test_numbers_of_a_script_are_no_results_on_the_hub() -> None:
    front, body = _parts(model_card(_facts("smoke"), samples.judgements()))
    assert "model-index" not in front
    assert "No number here is a result" in body


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        (None, {}),
        (Licence(name="Apache-2.0", url="https://x"), {"license": "apache-2.0"}),
        (
            Licence(name="Qwen Research License", url="https://x"),
            {"license": "other", "license_name": "qwen-research-license", "license_link": "https://x"},
        ),
    ],
)
def test_a_licence_is_named_as_far_as_it_is_known(licence: Licence | None, expected: dict[str, str]) -> None:
    recipe = samples.recipe(name="local")
    facts = _facts(sources={recipe.student.model: ModelSource(licence=licence)})
    front, body = _parts(model_card(facts, []))
    assert {key: value for key, value in front.items() if key.startswith("license")} == expected
    assert ("not recorded" in body.split("| student |")[1].split("\n")[0]) is (licence is None)


def test_what_a_recipe_says_of_a_licence_is_no_metadata() -> None:
    front, body = _parts(model_card(_facts("gukbap-mistral-7b", sources={}), []))
    assert "license" not in front
    assert front["base_model"] == "mistralai/Mistral-7B-Instruct-v0.2"
    assert "| Apache-2.0 |" in body.split("| teacher |")[1]
    assert "`https://api.deepinfra.com/v1/openai`" in body


def test_the_recipe_of_the_card_is_the_run_s(tmp_path: Path) -> None:
    facts = _facts("gukbap-qwen2-7b", "train.epochs=7")
    text = model_card(facts, [])
    path = tmp_path / "recipe.yaml"
    path.write_text(text.split("```yaml\n")[1].split("\n```")[0], encoding="utf-8")
    assert load_recipe(str(path)).hash == facts.recipe_hash
    assert facts.recipe_hash in text


def test_the_prompt_is_the_pinned_template_s() -> None:
    body = model_card(_facts("smoke"), [])
    template = load_template("mistral-v0.2")
    assert "{BOS}[INST] 국밥을 한 문장으로 설명해 주세요. [/INST]" in body
    assert template.sha256 in body
    assert "An answer ends with `</s>`" in body
    chatml = model_card(_facts("gukbap-qwen2-7b"), [])
    assert "<|im_start|>user\n국밥을" in chatml
    assert "BOS" not in chatml


def test_training_is_told_as_it_was_run() -> None:
    statistics = samples.statistics()
    statistics["train"] |= {
        "base_loss": 2.9,
        "validation_loss": 1.7,
        "base_full_loss": 3.3,
        "validation_full_loss": 2.3,
        "rows": 36,
        "processes": 4,
    }
    body = model_card(_facts("local", statistics=statistics), [])
    assert "| answers only, as trained | 2.9000 | 1.7000 |" in body
    assert "| whole sequence, prompts too | 3.3000 | 2.3000 |" in body
    assert "| rows in a step | 16 (4 × 1 accumulated × 4 processes) |" in body
    assert "| training rows | 36 |" in body
    assert "seed 1, constraints 2, deepen 2" in body


def test_what_is_not_known_is_not_made_up() -> None:
    facts = _facts(statistics={}, rows=(), questions=None, dataset_sha256=None, model_sha256=None)
    front, body = _parts(model_card(facts, []))
    assert "model-index" not in front
    for text in (
        "Losses: not recorded",
        "How the rows came about is not recorded",
        "| training rows, SHA-256 of the file | not recorded |",
        "| model, SHA-256 over its files | not recorded |",
        "No answer was judged",
    ):
        assert text in body


def test_baselines_stand_in_the_card_and_not_in_its_results() -> None:
    others = [
        judgement(n, turn, 9.0, "org/model", judge="not recorded", asked=12)
        for n in range(12)
        for turn in (1, 2)
    ]
    front, body = _parts(model_card(_facts(), samples.judgements(), [Baseline(others, {"overall": 8.5})]))
    assert "| org/model (imported; judge not recorded) | default |" in body
    assert "the published overall is 8.50, its judgements give 9.0000" in body
    assert "org/model" not in yaml.safe_dump(front)
