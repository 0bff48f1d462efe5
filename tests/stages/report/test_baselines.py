"""Baselines: how they are called, where they are compared, and what was published about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gukbap.config import BaselineConfig
from gukbap.errors import InputError
from gukbap.files import write_jsonl
from gukbap.schemas import Judgement
from gukbap.stages.report import Baseline, read_baseline
from gukbap.stages.report.baselines import (
    baseline_table,
    comparisons,
    other_questions,
    published_remarks,
    same_questions,
    truncated,
)
from tests.judgements import judgement

EVALUATED = Path(__file__).parents[4] / "shared/data/logickor/evaluated"
needs_logickor = pytest.mark.skipif(
    not EVALUATED.exists(), reason="LogicKor's stored judgements are not beside the checkout"
)


def _run(subject: str = "other", score: float = 5.0, **values: Any) -> list[Judgement]:
    return [
        judgement(number, turn, score + number % 3, subject, asked=12).model_copy(update=values)
        for number in range(12)
        for turn in (1, 2)
    ]


def _config(**values: Any) -> BaselineConfig:
    return BaselineConfig.model_validate({"path": "not read", **values})


@needs_logickor
@pytest.mark.parametrize(
    ("file", "published", "said"),
    [
        (
            "openai/gpt-4o-2024-05-13",
            {"single": 9.42},
            ["the published single of 9.42 is cut off; its judgements give 9.4286, rounded 9.43"],
        ),
        ("mistralai/mistral-7b-instruct-v0.2", 3.91, ["overall of 3.91 is cut off", "3.9167, rounded 3.92"]),
        ("HumanF-MarkrAI/Gukbap-Mistral-7B", 6.06, []),
        (
            "openai/gpt-4o-2024-05-13",
            9.50,
            ["the published overall is 9.50, its judgements give 9.3333 (rounded 9.33, cut off 9.33)"],
        ),
    ],
)
def test_a_published_score_is_held_against_its_judgements(file: str, published: Any, said: list[str]) -> None:
    baseline = read_baseline(_config(published=published), EVALUATED / file / "default.jsonl")
    remarks = published_remarks([baseline], baseline_table([baseline], seed=0))
    assert len(remarks) == bool(said)
    assert all(part in remarks[0] for part in said)
    assert all(remark.startswith(f"{file} default: ") for remark in remarks)


@needs_logickor
def test_the_card_of_gukbap_is_right_in_every_cell() -> None:
    columns = ("추론", "수학", "글쓰기", "코딩", "이해", "문법", "single", "multi", "overall")
    rows = {  # method facts, "The card, in numbers"
        "default": (4.43, 3.00, 9.36, 7.43, 8.21, 3.93, 6.40, 5.71, 6.06),
        "1-shot": (5.50, 4.50, 8.50, 8.29, 8.29, 4.50, 7.31, 5.88, 6.60),
        "cot-1-shot": (5.50, 2.57, 8.57, 8.57, 7.79, 3.57, 6.69, 5.50, 6.10),
    }
    folder = EVALUATED / "HumanF-MarkrAI/Gukbap-Mistral-7B"
    baselines = [
        read_baseline(_config(published=dict(zip(columns, row, strict=True))), folder / f"{strategy}.jsonl")
        for strategy, row in rows.items()
    ]
    assert published_remarks(baselines, baseline_table(baselines, seed=0)) == []


def test_a_published_overall_that_is_not_the_mean_of_its_halves_is_told() -> None:
    # Gemini-1.5-pro's row of the card (method facts).
    published = {"overall": 9.23, "single": 9.40, "multi": 9.19}
    baseline = Baseline(_run(), published)
    remarks = published_remarks([baseline], baseline_table([baseline], seed=0))
    assert "9.23 is not the mean of the published single, 9.40, and multi, 9.19: that is 9.295" in remarks[-1]
    fine = Baseline(_run(), {"overall": 6.05, "single": 6.40, "multi": 5.71})
    assert not any("mean" in remark for remark in published_remarks([fine], baseline_table([fine], seed=0)))


@pytest.mark.parametrize(("value", "cut"), [(9.4286, 9.42), (3.9167, 3.91), (0.29 * 10, 2.9), (10.0, 10.0)])
def test_cutting_off_is_not_rounding(value: float, cut: float) -> None:
    assert truncated(value) == cut


def test_judgements_of_another_run_bear_that_runs_name(tmp_path: Path) -> None:
    path = tmp_path / "local-1/judgements/tuned-default.jsonl"
    write_jsonl(path, _run("tuned"))
    for place in (path, path.parent):
        assert {one.subject for one in read_baseline(_config(), place).judgements} == {"local-1 tuned"}
    given = read_baseline(_config(name="mine", strategy="1-shot"), path).judgements
    assert {(one.subject, one.strategy) for one in given} == {("mine", "1-shot")}


def test_one_name_for_several_models_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    write_jsonl(path, [*_run("a"), *_run("b")])
    with pytest.raises(InputError, match="cannot all be called"):
        read_baseline(_config(name="mine"), path)
    with pytest.raises(InputError, match="published"):
        read_baseline(_config(published=5), path)


def test_two_baselines_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="judged twice"):
        baseline_table([Baseline(_run()), Baseline(_run())], seed=0)


@pytest.mark.parametrize(
    ("values", "compared"),
    [
        ({}, True),
        ({"judge": "another judge"}, False),
        ({"judge": "not recorded"}, False),
        ({"strategy": "1-shot"}, False),
        ({"question": "비빔밥이 무엇인가요?"}, False),
    ],
)
def test_baselines_are_compared_where_judge_strategy_and_questions_agree(
    values: dict[str, Any], compared: bool
) -> None:
    found = comparisons(_run("tuned", 7.0), [Baseline(_run(**values))], seed=0)
    assert len(found) == compared
    if compared:
        assert found[0].difference == pytest.approx(2.0)
        assert (found[0].a, found[0].b) == ("tuned default", "other default")


def test_two_judges_of_unknown_name_are_not_one_judge() -> None:
    ours, theirs = _run("tuned", judge="not recorded"), _run(judge="not recorded")
    assert comparisons(ours, [Baseline(theirs)], seed=0) == []


def test_other_questions_are_told() -> None:
    own = _run("tuned")
    others = [Baseline(_run("a", question="비빔밥이 무엇인가요?")), Baseline(_run("b"))]
    assert other_questions(own, others) == ["a"]
    assert other_questions([], others) == []
    assert not same_questions(own, [])
