from __future__ import annotations

from pathlib import Path

import pytest

from gukbap.config import GenerateSettings, InferSettings, Recipe, settings_text
from gukbap.config.cron import wrong_cron
from gukbap.errors import ConfigError, InputError
from gukbap.recipes import builtin_recipes, load_recipe


def test_every_builtin_recipe_is_valid_and_named_after_its_file() -> None:
    names = set(builtin_recipes())
    assert {"smoke", "local", "gukbap-mistral-7b", "gukbap-qwen2-7b", "gukbap-gemma2-9b"} <= names
    for name in names:
        assert load_recipe(name).name == name


def test_the_card_recipe_holds_the_facts_of_the_card() -> None:
    recipe = load_recipe("gukbap-mistral-7b")
    assert recipe.student.model.startswith("hf://mistralai/Mistral-7B-Instruct-v0.2@")
    assert recipe.student.max_length == 8192
    assert recipe.student.chat_template == "mistral-v0.2"
    assert recipe.teacher.model == "microsoft/WizardLM-2-8x22B"
    assert recipe.train.learning_rate == 4e-6
    assert recipe.train.epochs == 2
    assert recipe.split.validation_rows == 200
    assert recipe.cluster.train.gpus == recipe.train.processes == 4
    assert recipe.judge.endpoint.model == "gpt-4-1106-preview"
    assert recipe.infer.strategies == ["default", "1-shot", "cot-1-shot"]
    assert recipe.card_facts["training_rows"] == "1849"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.lerning_rate=1", r"train\.lerning_rate .did you mean learning_rate"),
        ("nothing.at=all", "unknown key nothing .allowed: budget"),
        ("train.epochs=zwei", r"train\.epochs: .*integer.*zwei"),
        ("train.epochs=0", r"train\.epochs: .*greater"),
        ("infer.engine=tgi", r"infer\.engine: .*'transformers', 'vllm' or 'openai'"),
        ("infer.engine=openai", "engine 'openai' needs base_url"),
        ("infer.strategies=[default, default]", "strategies names one twice"),
        ("train.sharding=fsdp", "needs processes of 2 or more"),
        ("dedup.keep=newest", r"dedup\.keep: .*'complexity', 'length' or 'earliest'"),
        ("teacher.model=gpt-4", "needs base_url"),
        ("teacher.base_url=localhost:8000", r"teacher\.base_url"),
        ("judge.allow_teacher_as_judge=false", "must not judge what it taught"),
        ("infer.max_new_tokens=9000", "over the model length .512"),
        ("store.url=ftp://x", r"store\.url"),
        ("train", "key.path=value"),
        ("name.more=1", "name is a value"),
        ("seed=[1", "not YAML"),
    ],
)
def test_a_wrong_value_names_its_path(override: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load_recipe("local", [override])


@pytest.mark.parametrize(
    "judge",
    [
        "Qwen/Qwen2.5-Coder-1.5B-Instruct",
        "qwen2.5-coder-1.5b-instruct@a1b2c3d",
        "/models/QWEN2.5-Coder-1.5B-Instruct.gguf",
    ],
)
def test_the_teacher_is_known_under_its_other_names(judge: str) -> None:
    served = [f"judge.endpoint.model={judge}", "judge.endpoint.base_url=http://localhost:1/v1"]
    with pytest.raises(ConfigError, match="must not judge what it taught"):
        load_recipe("local", [*served, "judge.allow_teacher_as_judge=false"])
    assert load_recipe("local", served).judge_is_teacher


def test_another_size_of_the_teacher_may_judge() -> None:
    served = [
        "judge.endpoint.model=qwen2.5-coder-7b-instruct",
        "judge.endpoint.base_url=http://localhost:1/v1",
    ]
    assert not load_recipe("local", [*served, "judge.allow_teacher_as_judge=false"]).judge_is_teacher


def test_every_wrong_key_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"seed: .*; train\.epochs: "):
        load_recipe("local", ["train.epochs=x", "seed=-1"])


def test_overrides_keep_their_type() -> None:
    recipe = load_recipe("local", ["train.learning_rate=4e-6", "generate.seed_count=null", "name=x1e5"])
    assert recipe.train.learning_rate == 4e-6
    assert recipe.generate.seed_count is None
    assert recipe.name == "x1e5"


def test_an_unknown_recipe_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="smoke"):
        load_recipe("smok")
    with pytest.raises(InputError, match="there is no file"):
        load_recipe(str(tmp_path / "none.yaml"))
    for content in ("- a\n- b\n", "a: [1\n"):
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(ConfigError):
            load_recipe(str(tmp_path / "bad.yaml"))


def test_the_hash_follows_every_value_and_nothing_else() -> None:
    recipe = load_recipe("local")
    assert recipe.hash == load_recipe("local").hash == Recipe.model_validate_json(settings_text(recipe)).hash
    assert recipe.hash != load_recipe("local", ["train.epochs=7"]).hash


def test_stage_settings_hold_only_what_the_stage_depends_on() -> None:
    local, other = load_recipe("local"), load_recipe("local", ["train.epochs=7", "judge.max_tokens=64"])
    assert settings_text(local.generate_settings()) == settings_text(other.generate_settings())
    assert settings_text(local.infer_settings("base")) == settings_text(other.infer_settings("base"))
    alone = load_recipe("local", ["infer.subjects=[base]"])
    assert local.infer_settings("base") == alone.infer_settings("base")
    assert settings_text(local.train_settings()) != settings_text(other.train_settings())
    text = settings_text(local.generate_settings())
    assert GenerateSettings.model_validate_json(text) == local.generate_settings()
    assert InferSettings.model_validate_json(settings_text(local.infer_settings("tuned")))


def test_no_recipe_holds_a_secret_only_names_of_variables() -> None:
    with pytest.raises(ConfigError, match="api_key_env"):
        load_recipe("local", ["teacher.api_key_env=sk-abc.def"])


@pytest.mark.parametrize(
    "line",
    [
        "0 0 18 * * 0",
        "*/10 * * * * *",
        "0 30 3,15 1-7 JAN-mar MON-FRI",
        "0 0/5 8-18/2 ? * *",
        "@weekly",
        "@every 6h",
    ],
)
def test_a_cron_line_of_kubeflow_is_taken(line: str) -> None:
    assert wrong_cron(line) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 18 * * 0", "it has 5 fields"),
        ("", "it has 0 fields"),
        ("0 0 24 * * 0", "'24' is no hour"),
        ("0 0 18 0 * *", "'0' is no day of month"),
        ("0 0 18 * * 7", "'7' is no day of week"),
        ("0 0 18 * * FUN", "'FUN' is no day of week"),
        ("0 50-10 18 * * *", "'50-10' is no minute"),
        ("0 */0 18 * * *", "'*/0' is no minute"),
        ("@sometimes", "no such short form"),
    ],
)
def test_what_is_wrong_with_a_cron_line_is_said(line: str, words: str) -> None:
    assert words in str(wrong_cron(line))
    with pytest.raises(ConfigError, match="takes six fields"):
        load_recipe("smoke", [f"schedule.cron={line!r}"])


def test_an_override_opens_a_section_that_is_null(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(builtin_recipes()["smoke"].read_text(encoding="utf-8") + "schedule: null\n")
    opened = load_recipe(str(recipe), ["schedule.cron='0 0 18 * * 0'"])
    assert opened.schedule is not None
    assert opened.schedule.cron == "0 0 18 * * 0"


def test_recipes_pin_their_chat_template_and_another_text_is_refused() -> None:
    pinned = {name: load_recipe(name).student for name in builtin_recipes() if name != "smoke"}
    assert all(student.chat_template_sha256 for student in pinned.values())
    with pytest.raises(ConfigError, match=r"student: chat_template_sha256 is 0{64}, and this package's"):
        load_recipe("local", [f"student.chat_template_sha256='{'0' * 64}'"])
    with pytest.raises(ConfigError, match="this package's gemma has"):
        load_recipe("local", ["student.chat_template=gemma"])
    assert load_recipe("local", ["student.chat_template=gemma", "student.chat_template_sha256=null"])


@pytest.mark.parametrize("runs", ["s3://gukbap/runs", "s3://gukbap/", "s3://gukbap/runs/data"])
def test_data_among_the_runs_that_are_pruned_are_refused(runs: str) -> None:
    with pytest.raises(ConfigError, match="lies among the runs"):
        load_recipe("smoke", ["data.store=s3://gukbap/runs/data", f"store.url={runs}"])
    beside = load_recipe("smoke", ["data.store=s3://gukbap/data", "store.url=s3://gukbap/da"])
    assert beside.data_source is not None
    assert (beside.data_source.name, beside.data_source.store.url) == ("smoke", "s3://gukbap/data")
