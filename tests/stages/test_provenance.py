"""What rows say of where they come from, held against what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gukbap.adapters.progress import SilentProgress
from gukbap.cli.provenance import provenance
from gukbap.config import Endpoint, GenerateConfig
from gukbap.errors import ConfigError, InputError
from gukbap.files import read_jsonl, sha256_file, write_jsonl
from gukbap.journal import Journal
from gukbap.recipes import load_recipe
from gukbap.schemas import Message, Row, Teacher
from gukbap.stages.generate import GenerateResult, draw_seeds, generate, load_seeds
from gukbap.stages.provenance import breaches, refuse_foreign, sources
from gukbap.workers.stages import run_split
from gukbap.workers.teacher import teacher_of
from tests.lineages import TEACHER
from tests.stages.generate.doubles import CountingChat, settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> GenerateResult:
    """Two rounds, written by the scripted chat model."""
    seeds = draw_seeds(GenerateConfig(seed_count=14), load_seeds(GenerateConfig()), seed=42)
    with Journal(tmp_path_factory.mktemp("calls") / "calls.jsonl") as journal:
        return generate(settings(rounds=2), seeds, CountingChat(), TEACHER, journal, SilentProgress())


@pytest.fixture(scope="module")
def rows(made: GenerateResult) -> list[Row]:
    """The rows of it."""
    return made.rows


def _evolved(rows: list[Row]) -> int:
    return next(index for index, row in enumerate(rows) if row.lineage.round == 2)


def _with_lineage(row: Row, **values: Any) -> Row:
    return row.model_copy(update={"lineage": row.lineage.model_copy(update=values)})


def _with_texts(row: Row, *texts: str) -> Row:
    roles = ("user", "assistant")
    return row.model_copy(
        update={"messages": [Message(role=r, content=t) for r, t in zip(roles, texts, strict=True)]}
    )


def test_generated_rows_hold(rows: list[Row]) -> None:
    assert len(rows) > 20
    assert breaches(rows) == []
    assert sources(rows) == {(TEACHER, None, rows[0].lineage.version): len(rows)}


CHANGES: list[tuple[Callable[[Row], Row], str]] = [
    (lambda row: _with_texts(row, row.instruction, "다른 답입니다."), "its answer is not the one"),
    (lambda row: _with_texts(row, "다른 지시입니까?", row.response), "its instruction is not the one"),
    (
        lambda row: _with_lineage(row, teacher=Teacher(model="openai/gpt-4o", licence="MIT")),
        "openai/gpt-4o is a private model",
    ),
    (
        lambda row: _with_lineage(
            row, answer_call=row.lineage.answer_call.model_copy(update={"host": "api.anthropic.com"})
        ),
        "api.anthropic.com serves private models",
    ),
    (
        lambda row: _with_lineage(row, teacher=Teacher(model="m", licence="unknown")),
        "the licence of its teacher is not stated",
    ),
    (lambda row: _with_lineage(row, parent_sha256="0" * 64), "has another instruction than the one"),
    (lambda row: _with_lineage(row, parent_id=None), "its parent or the call is not recorded"),
    (lambda row: _with_lineage(row, operation=None), "it has a parent or a call, but no operation"),
    (
        lambda row: _with_lineage(
            row, answer_call=row.lineage.answer_call.model_copy(update={"prompt_sha256": "0" * 64})
        ),
        "its answer was asked for with another prompt",
    ),
    (
        lambda row: _with_lineage(
            row, operation="breadth" if row.lineage.operation != "breadth" else "deepen"
        ),
        "its instruction was asked for with another prompt",
    ),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_one_changed_row_is_found_and_named(rows: list[Row], change: Callable[[Row], Row], said: str) -> None:
    index = _evolved(rows)
    changed = [*rows[:index], change(rows[index]), *rows[index + 1 :]]
    found = breaches(changed)
    assert {one.row_id for one in found} >= {rows[index].id}
    assert any(said in one.problem for one in found)
    with pytest.raises(InputError, match=f"row '{rows[index].id}'"):
        refuse_foreign(changed, "rows.jsonl")


def test_rows_of_another_version_are_held_to_their_texts_alone(rows: list[Row]) -> None:
    old = [_with_lineage(row, version="0.0.1") for row in rows]
    other_prompt = old[0].lineage.answer_call.model_copy(update={"prompt_sha256": "0" * 64})
    assert breaches([_with_lineage(old[0], answer_call=other_prompt), *old[1:]]) == []
    assert breaches([_with_texts(old[0], old[0].instruction, "다른 답"), *old[1:]]) != []


def test_one_foreign_row_stops_the_data_set(rows: list[Row], tmp_path: Path) -> None:
    foreign = _with_lineage(rows[3], teacher=Teacher(model="claude-3-opus", licence="MIT"))
    write_jsonl(tmp_path / "rows.jsonl", [*rows[:3], foreign, *rows[4:]])
    outputs = {name: tmp_path / f"{name}.out" for name in ("train", "validation", "left_out", "statistics")}
    recipe = load_recipe("smoke", ["tracking.enabled=false", "split.validation_rows=2"])
    with pytest.raises(InputError, match=f"row '{foreign.id}': claude-3-opus is a private model"):
        run_split(recipe.split_settings(), source=tmp_path / "rows.jsonl", **outputs)
    assert not any(path.exists() for path in outputs.values())


def _command(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(provenance, [str(one) for one in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout


def test_the_command_prints_teachers_and_licences(
    rows: list[Row], made: GenerateResult, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "dataset/train.jsonl", rows[5:])
    write_jsonl(tmp_path / "dataset/validation.jsonl", rows[:5])
    write_jsonl(tmp_path / "dataset/generated.jsonl", rows)
    write_jsonl(tmp_path / "dataset/dropped.jsonl", made.dropped)
    code, text = _command(tmp_path)
    assert code == 0
    assert "scripted (not a model)  –         Apache-2.0  own machine" in text
    assert text.endswith("all hold\n")
    code, text = _command("--json", tmp_path / "dataset/train.jsonl")
    document = json.loads(text)
    assert (code, document["rows"], document["rows_without_parent_at_hand"]) == (0, len(rows) - 5, 0)
    assert document["sources"][0]["licence"] == "Apache-2.0"


def test_the_command_names_what_does_not_hold(rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [_with_texts(rows[0], rows[0].instruction, "다른 답"), *rows[1:]])
    code, text = _command(path)
    assert code == 1
    assert f"PROBLEM  {rows[0].id}: its answer is not the one that was generated" in text
    assert text.endswith(f"1 of {len(rows)} rows do not hold\n")
    with pytest.raises(InputError, match="holds no rows"):
        _command(tmp_path.parent)


def test_a_parent_that_is_not_there_is_told(rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [rows[_evolved(rows)]])
    code, text = _command(path)
    assert code == 0
    assert "1 evolved rows have a parent that is not at hand" in text
    assert read_jsonl(path, Row) == [rows[_evolved(rows)]]


@pytest.mark.parametrize(
    "model",
    [
        *(
            "gpt-4o",
            "gpt-4-1106-preview",
            "openai/gpt-5-mini",
            "chatgpt-4o-latest",
            "o1-mini",
            "o3",
            "gpt-3.5-turbo",
        ),
        *(
            "anthropic/claude-3.5-sonnet",
            "google/gemini-1.5-pro",
            "x-ai/grok-4",
            "HCX-005",
            "qwen-max-latest",
        ),
    ],
)
def test_a_private_teacher_is_refused_before_the_first_call(model: str) -> None:
    served = ["teacher.base_url=http://127.0.0.1:9/v1", "teacher.licence=Apache-2.0"]
    with pytest.raises(ConfigError, match="is a private model, and only models with open weights"):
        load_recipe("local", [f"teacher.model={model}", *served])


@pytest.mark.parametrize(
    "model",
    [
        *(
            "microsoft/WizardLM-2-8x22B",
            "openai/gpt-oss-120b",
            "openai-community/gpt2-xl",
            "EleutherAI/gpt-j-6b",
        ),
        *(
            "google/gemma-2-27b-it",
            "Qwen/Qwen2.5-72B-Instruct",
            "xai-org/grok-1",
            "mistralai/Mistral-7B-v0.3",
        ),
        *(
            "naver-hyperclovax/HyperCLOVAX-SEED-Text-Instruct-1.5B",
            "allenai/OLMo-2-13B",
            "olmo",
            "nvidia/nemotron",
        ),
    ],
)
def test_open_teachers_may_teach(model: str) -> None:
    served = ["teacher.base_url=http://127.0.0.1:9/v1", "teacher.licence=Apache-2.0"]
    assert load_recipe("local", [f"teacher.model={model}", *served]).teacher.model == model


@pytest.mark.parametrize("host", ["api.openai.com", "mine.openai.azure.com", "api.anthropic.com:443"])
def test_a_server_of_private_models_is_refused(host: str) -> None:
    given = ["teacher.model=mine", f"teacher.base_url=https://{host}/v1", "teacher.licence=MIT"]
    with pytest.raises(ConfigError, match="serves private models"):
        load_recipe("local", given)


@pytest.mark.parametrize("licence", ["null", "unknown", "proprietary", "'-'"])
def test_a_teacher_without_a_licence_is_refused(licence: str) -> None:
    given = ["teacher.model=org/m", "teacher.base_url=http://127.0.0.1:9/v1", f"teacher.licence={licence}"]
    with pytest.raises(ConfigError, match="licence"):
        load_recipe("local", given)


def test_a_private_model_may_judge() -> None:
    assert load_recipe("gukbap-mistral-7b").judge.endpoint.model.startswith("gpt-4")


def test_what_rows_say_of_each_kind_of_teacher(tmp_path: Path) -> None:
    def told(name: str = "m", **values: Any) -> Teacher:
        return teacher_of(Endpoint.model_validate(values), name, SilentProgress())

    bundled = told(model="bundled://qwen2.5-coder-1.5b-instruct")
    assert bundled.licence == "Apache-2.0"
    assert bundled.revision is not None and bundled.revision.startswith("sha256:cc324af0")
    url = "https://me:secret@example.org:8000/v1"
    served = told(model="org/m", base_url=url, licence="MIT", revision="abc123")
    assert (served.revision, served.licence) == ("abc123", "MIT")
    (tmp_path / "m.gguf").write_bytes(b"GGUF and some weights")
    filed = told(model=f"file://{tmp_path}/m.gguf", licence="MIT")
    assert filed.revision == f"sha256:{sha256_file(tmp_path / 'm.gguf')}"
    with pytest.raises(ConfigError, match="the licence of org/m is not stated"):
        told(model="org/m", base_url="http://127.0.0.1:9/v1")
