"""`gukbap score` and `gukbap compare` on LogicKor's stored judgements and on files of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gukbap.cli.compare import compare
from gukbap.cli.score import score
from gukbap.errors import InputError
from gukbap.files import write_jsonl
from tests.judgements import judgement

EVALUATED = Path(__file__).parents[3] / "shared/data/logickor/evaluated"
GUKBAP = EVALUATED / "HumanF-MarkrAI/Gukbap-Mistral-7B"
needs_logickor = pytest.mark.skipif(
    not EVALUATED.exists(), reason="LogicKor's stored judgements are not beside the checkout"
)


def call(command: Any, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)


def own_file(folder: Path, name: str, gain: float = 0.0, **values: Any) -> Path:
    """A judged file of twelve questions."""
    path = folder / f"{name}.jsonl"
    lines = [
        judgement(question, turn, 3.0 + gain + question % 4, **{"asked": 12, **values})
        for question in range(12)
        for turn in (1, 2)
    ]
    write_jsonl(path, lines)
    return path


@needs_logickor
def test_all_stored_files_are_scored_in_one_call_without_pooling() -> None:
    result = call(score, EVALUATED, "--json")
    document = json.loads(result.stdout)
    files = sorted(EVALUATED.rglob("*.jsonl"))
    rows = {f"{row['subject']}/{row['strategy']}.jsonl": row for row in document["table"]["rows"]}
    assert sorted(rows) == [str(path.relative_to(EVALUATED)) for path in files]
    assert f"{rows['HumanF-MarkrAI/Gukbap-Mistral-7B/default.jsonl']['overall']:.2f}" == "6.06"


@needs_logickor
def test_invented_zeros_are_told_and_left_out_on_demand() -> None:
    folder = EVALUATED / "nousresearch"
    told = call(score, folder).stdout
    assert "1 of 84 scores are zeros that no judge gave; overall 5.43 with them, 5.49 without" in told
    row = json.loads(call(score, folder, "--exclude-fabricated", "--json").stdout)["table"]["rows"][1]
    assert (row["strategy"], f"{row['overall']:.2f}", row["scored"]) == ("1-shot", "5.49", 83)
    assert (
        "1 of 252 judgements are zeros that no judge gave: left out"
        in call(score, folder, "--exclude-fabricated").stdout
    )


@needs_logickor
def test_verdicts_on_the_card_s_claims() -> None:
    base = EVALUATED / "mistralai/mistral-7b-instruct-v0.2/default.jsonl"
    better = call(compare, GUKBAP / "default.jsonl", base).stdout
    assert "A is better" in better and "+2.14" in better
    worse = json.loads(call(compare, base, GUKBAP / "default.jsonl", "--json").stdout)
    assert worse["comparisons"][0]["verdict"] == "worse"
    assert (
        "cannot tell which is better"
        in call(compare, GUKBAP / "1-shot.jsonl", GUKBAP / "default.jsonl").stdout
    )


@needs_logickor
def test_missing_and_repeated_questions_are_refused_unless_told_otherwise(tmp_path: Path) -> None:
    lines = (GUKBAP / "default.jsonl").read_text(encoding="utf-8-sig").splitlines()
    short = tmp_path / "short.jsonl"
    short.write_text("\n".join(lines[2:]))
    with pytest.raises(InputError, match=r"40 of 42 questions, questions .* missing"):
        call(score, short)
    assert "40 of 42 questions" in call(score, short, "--allow-incomplete").stdout
    twice = tmp_path / "twice.jsonl"
    twice.write_text("\n".join([*lines, lines[0]]))
    with pytest.raises(InputError, match=r"question \d+ repeated"):
        call(score, twice)
    row = json.loads(call(score, twice, "--allow-incomplete", "--json").stdout)["table"]["rows"][0]
    assert (row["judgements"], f"{row['overall']:.2f}") == (84, "6.06")


def test_one_file_given_twice_is_named(tmp_path: Path) -> None:
    first = own_file(tmp_path, "a")
    second = own_file(tmp_path, "b")
    with pytest.raises(InputError, match=f"repeated .in {first} and {second}"):
        call(score, first, second)


def test_a_cut_off_file_of_ours_is_refused(tmp_path: Path) -> None:
    path = own_file(tmp_path, "a")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-3]))
    with pytest.raises(
        InputError, match="11 of 12 questions; tuned default: question 10 without one of the turns"
    ):
        call(score, path)


def test_a_file_that_is_not_judged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1}\n')
    with pytest.raises(InputError, match="holds no judgements"):
        call(score, path)
    with pytest.raises(InputError, match="holds no judged file"):
        call(score, tmp_path)


def test_comparison_of_own_files_of_the_same_judge(tmp_path: Path) -> None:
    a, b = own_file(tmp_path, "a", 2.0), own_file(tmp_path, "b", subject="base")
    (found,) = json.loads(call(compare, a, b, "--json").stdout)["comparisons"]
    assert (found["verdict"], found["difference"], found["questions"]) == ("better", 2.0, 12)
    other = own_file(tmp_path, "c", subject="base", judge="another")
    with pytest.raises(InputError, match="two judges: judge and another"):
        call(compare, a, other)
    assert json.loads(call(compare, a, other, "--any-judge", "--json").stdout)["comparisons"]


def test_sides_without_a_common_strategy_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    own_file(folder, "a")
    own_file(folder, "b", strategy="1-shot")
    other = own_file(tmp_path, "c", subject="base", strategy="cot-1-shot")
    with pytest.raises(InputError, match="A has the strategies default, 1-shot, B has cot-1-shot"):
        call(compare, folder, other)
    with pytest.raises(InputError, match="holds tuned"):
        call(compare, folder, other, "--subject", "base")
