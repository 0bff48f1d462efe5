"""The chosen checkpoint and the sample answers in the report's files and the card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gukbap.stages.report import build_facts, model_card, report
from tests.stages.report import samples

EVIL = "</dd><script>alert(1)</script> ``` | 국밥"


def _answer(text: str, score: float, row_id: str | None = None) -> dict[str, Any]:
    return {"row_id": row_id, "prompt": f"질문 {EVIL}", "answer": text, "ended": True, "score": score}


def _facts(rule: str = "dev_score") -> Any:
    evaluations = [
        {"step": 0, "epoch": 0.0, "validation_loss": 2.5, "validation_full_loss": 3.0, "dev_score": 0.125},
        {"step": 8, "epoch": 1.0, "validation_loss": 1.5, "validation_full_loss": 2.0, "dev_score": 0.75},
        {"step": 16, "epoch": 2.0, "validation_loss": 1.25, "validation_full_loss": 1.75, "dev_score": 0.5},
    ]
    selection = {"rule": rule, "step": 8, "epoch": 1.0, "stopped_early": True, "evaluations": evaluations}
    generations = [
        {"step": 0, "answers": [_answer("모르겠음", 0.1), _answer("검증 답", 0.2, "r1")]},
        {"step": 8, "answers": [_answer(f"국밥입니다 {EVIL}", 0.9), _answer("검증 답", 0.8, "r1")]},
    ]
    statistics = samples.statistics()
    train = {**statistics["train"], "selection": selection, "generations": generations}
    return build_facts(samples.recipe(), statistics={**statistics, "train": train})


def test_the_choice_and_the_sample_answers_are_told(tmp_path: Path) -> None:
    report(_facts(), samples.judgements(), tmp_path)
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "The checkpoint of step 8 (epoch 1.00) became the model: the best answers" in text, name
        assert "Training stopped early." in text and "8 (chosen)" in text and "모르겠음" in text
        assert "국밥입니다" in text and "검증 답" not in text, "of the fixed prompts alone"
    assert "<script>alert" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "| 8 (chosen) | 1.00 | 1.5000 | 2.0000 | 0.75 |" in card and "모르겠음" not in card


@pytest.mark.parametrize(
    ("rule", "words"), [("validation_loss", "the lowest validation loss"), ("last", "whatever was measured")]
)
def test_every_rule_has_its_words(rule: str, words: str) -> None:
    assert words in model_card(_facts(rule), [])
