"""Question packs and prompt strategies: the bundled ones and files that are right or wrong."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gukbap.benchmarks import load_questions, load_strategies
from gukbap.errors import GukbapWarning, InputError
from gukbap.schemas import CATEGORIES, STRATEGIES

LOGICKOR = Path(__file__).parents[3] / "shared/data/logickor/questions.jsonl"


def line(**changes: Any) -> dict[str, Any]:
    """A line in LogicKor's shape."""
    values = {
        "id": 1,
        "category": "수학(Math)",
        "questions": ["2에 3을 더하면?", "그 수의 제곱은?"],
        "references": ["5", None],
    }
    return values | changes


def pack(folder: Path, *lines: dict[str, Any], bom: bool = False) -> str:
    """A pack file of these lines."""
    path = folder / "pack.jsonl"
    text = "".join(json.dumps(values, ensure_ascii=False) + "\n" for values in lines)
    path.write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))
    return str(path)


def test_bundled_pack_has_seven_two_turn_questions_a_category() -> None:
    questions = load_questions("bundled://offline-pack", None)
    assert Counter(question.category for question in questions) == dict.fromkeys(CATEGORIES, 7)
    assert len({question.id for question in questions}) == 42


def test_per_category_keeps_the_first_of_each_in_order() -> None:
    everything = load_questions("bundled://offline-pack", None)
    two_each = load_questions("bundled://offline-pack", 2)
    assert [question.category for question in two_each] == [c for c in CATEGORIES for _ in range(2)]
    positions = [everything.index(question) for question in two_each]
    assert positions == sorted(positions)


def test_byte_order_mark_and_decomposed_hangul_are_read(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "수학(Math)")
    (question,) = load_questions(pack(tmp_path, line(category=decomposed), bom=True), None)
    assert question.category == "수학(Math)"


def test_empty_reference_is_no_reference(tmp_path: Path) -> None:
    (question,) = load_questions(pack(tmp_path, line(references=[" ", "25"])), None)
    assert question.references == [None, "25"]


def test_third_turn_is_cut_with_a_warning(tmp_path: Path) -> None:
    reference = pack(tmp_path, line(questions=["하나?", "둘?", "셋?"]))
    with pytest.warns(GukbapWarning, match="question 1 has 3 turns"):
        (question,) = load_questions(reference, None)
    assert question.questions == ["하나?", "둘?"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"questions": ["하나뿐?"]}, "line 2: questions"),
        ({"category": "요리(Cooking)"}, "line 2: category: .*unknown category '요리"),
        ({"questions": ["있다", "  "]}, "line 2: questions.1: .*empty"),
        ({"references": None}, "line 2: references"),
        ({"id": "둘"}, "line 2: id"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_questions(pack(tmp_path, line(), line(**{"id": 2, **changes})), None)


def test_duplicate_id_unknown_reference_and_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="question 1 stands twice"):
        load_questions(pack(tmp_path, line(), line()), None)
    with pytest.raises(InputError, match="bundled://other"):
        load_questions("bundled://other", None)
    with pytest.raises(InputError, match="no file"):
        load_questions(str(tmp_path / "missing.jsonl"), None)


@pytest.mark.skipif(not LOGICKOR.exists(), reason="LogicKor's questions are not beside the checkout")
def test_logickor_questions_are_read() -> None:
    with pytest.warns(GukbapWarning, match="question 3 has 3 turns"):
        questions = load_questions(str(LOGICKOR), None)
    assert len(questions) == 42
    # "25 have references" (method facts): in at least one turn.
    assert sum(any(question.references) for question in questions) == 25


def test_bundled_strategies_are_all_there_and_end_before_a_user_turn() -> None:
    strategies = load_strategies("bundled://strategies")
    assert set(strategies) == set(STRATEGIES)
    assert strategies["default"] == []
    assert [message.role for message in strategies["cot-1-shot"]] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "no mapping"),
        ({"2-shot": []}, "unknown strategy '2-shot'"),
        ({"1-shot": [{"role": "user", "content": "질문"}]}, "has the roles user"),
        ({"1-shot": [{"role": "teacher", "content": "질문"}]}, "no message"),
        ({"1-shot": 3}, "no message"),
    ],
)
def test_malformed_strategies_are_refused(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "strategies.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        load_strategies(str(path))
