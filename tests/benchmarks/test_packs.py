"""Packs by their references: folders, files, the bundled one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from gukbap.benchmarks import JudgeTemplates, load_questions, load_strategies, open_pack
from gukbap.benchmarks.logickor import import_logickor
from gukbap.errors import InputError
from gukbap.schemas import CATEGORIES
from tests.benchmarks.logickor.upstream import checkout, lines


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """An imported pack."""
    return import_logickor(str(checkout(tmp_path / "up")), tmp_path / "pack").path


def test_the_bundled_pack_brings_questions_alone() -> None:
    bundled = open_pack("bundled://offline-pack")
    assert len(bundled.questions) == 42
    assert (bundled.strategies, bundled.judge) == (None, None)
    assert (bundled.identity.name, bundled.identity.commit) == ("offline-pack", None)
    assert len(bundled.identity.sha256) == 64


def test_a_file_is_a_pack_named_after_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(lines()[0]))
    first = open_pack(str(path))
    assert (first.identity.name, first.strategies, first.judge) == ("mine", None, None)
    assert open_pack(f"file://{path}") == first
    path.write_text(json.dumps(lines()[1]))
    assert open_pack(str(path)).identity.sha256 != first.identity.sha256


def test_a_folder_brings_everything(pack: Path) -> None:
    opened = open_pack(f"file://{pack}")
    assert opened.judge is not None and opened.strategies is not None
    assert load_questions(str(pack), None) == opened.questions
    assert [q.category for q in load_questions(str(pack), 1)] == list(CATEGORIES)
    assert load_strategies(str(pack)) == opened.strategies


def test_a_pack_moved_elsewhere_is_the_same(pack: Path) -> None:
    before = open_pack(str(pack))
    assert open_pack(str(pack.rename(pack.parent / "moved"))) == before


def test_strategies_come_from_the_pack_where_nothing_else_is_said(pack: Path, tmp_path: Path) -> None:
    own, bundled = open_pack(str(pack)).strategies, load_strategies("bundled://strategies")
    assert load_strategies(None, str(pack)) == own != bundled
    assert load_strategies(None) == bundled
    assert load_strategies(None, "bundled://offline-pack") == bundled
    assert load_strategies("bundled://strategies", str(pack)) == bundled
    (tmp_path / "mine.json").write_text('{"default": []}')
    assert load_strategies(str(tmp_path / "mine.json"), str(pack)) == {"default": []}


@pytest.mark.parametrize("name", ["questions.jsonl", "strategies.json", "judge.json"])
def test_a_changed_or_missing_file_is_one_clear_error(pack: Path, name: str) -> None:
    content = (pack / name).read_bytes()
    (pack / name).write_bytes(content + b"\n")
    with pytest.raises(InputError, match=f"{name} was changed .*\n.*expected: .*\n.*next: ") as caught:
        open_pack(str(pack))
    assert caught.value.exit_code == 2
    (pack / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        load_questions(str(pack), 1)
    (pack / name).write_bytes(content)
    open_pack(str(pack))


def test_a_record_that_was_changed_is_refused(pack: Path, tmp_path: Path) -> None:
    path = pack / "pack.json"
    record = json.loads(path.read_text())
    for change, words in (
        ({"files": {**record["files"], "../up/README.md": "0" * 64}}, r"pack\.json: files"),
        ({"files": {"judge.json": record["files"]["judge.json"]}}, r"pack\.json names no questions\.jsonl"),
        ({"format": 2}, r"pack\.json: format"),
        ({"commit": "main"}, r"pack\.json: commit"),
    ):
        path.write_text(json.dumps(record | change))
        with pytest.raises(InputError, match=words):
            open_pack(str(pack))
    path.unlink()
    with pytest.raises(InputError, match="is no evaluation pack"):
        open_pack(str(pack))


def test_nothing_is_opened_under_an_unknown_reference(tmp_path: Path) -> None:
    for reference in ("bundled://other", "https://example.org/pack"):
        with pytest.raises(InputError, match=reference):
            open_pack(reference)
    with pytest.raises(InputError, match="there is no file"):
        open_pack(str(tmp_path / "none"))


def test_judge_templates_do_not_change_and_are_not_empty() -> None:
    templates = JudgeTemplates(single_turn="하나", multi_turn="둘")
    with pytest.raises(ValidationError):
        templates.single_turn = "셋"  # type: ignore[misc] # what is tested
    with pytest.raises(ValidationError):
        JudgeTemplates(single_turn="하나", multi_turn=" ")
