"""Nothing of an evaluation becomes training data, whichever stage it is handed to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gukbap.errors import InputError
from gukbap.files import write_jsonl
from gukbap.schemas import Answer, Message, Question, Row, Seed
from gukbap.stages.training_input import read_training
from tests.command import gukbap
from tests.judgements import judgement
from tests.lineages import lineage

QUESTION = Question(
    id=1, category="수학(Math)", questions=["둘에 셋을 더하면?", "그 제곱은?"], references=["다섯", None]
)
ANSWER = Answer(
    question=QUESTION,
    subject="tuned",
    strategy="default",
    model="m",
    outputs=["다섯", "스물다섯"],
    finish_reasons=["stop", "stop"],
    prompt_tokens=[1, 1],
    completion_tokens=[1, 1],
)
ROW = Row(
    id="a",
    category="math",
    messages=[Message(role="user", content="묻습니다."), Message(role="assistant", content="답합니다.")],
    lineage=lineage("a"),
)
UPSTREAM = {"id": 1, "category": "수학(Math)", "questions": ["하나", "둘"], "references": [None, None]}
JUDGED = {**UPSTREAM, "outputs": ["가", "나"], "query_single": {}, "query_multi": {}}
FOREIGN = {
    "a judgement": judgement(1, 1, 9.0).model_dump_json(),
    "an answer to evaluation questions": ANSWER.model_dump_json(),
    "an evaluation question": json.dumps(UPSTREAM),
    "a judged answer of LogicKor's": json.dumps(JUDGED),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("record_type", [Row, Seed])
def test_a_record_of_an_evaluation_is_refused_by_name(
    tmp_path: Path, kind: str, record_type: type[Row] | type[Seed]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{FOREIGN[kind]}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"line 1: {kind}, which must never become training data"):
        read_training(path, record_type)


def test_one_judgement_among_rows_is_found(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{ROW.model_dump_json()}\n{FOREIGN['a judgement']}\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2: a judgement"):
        read_training(path, Row)


def test_rows_are_read_and_other_mistakes_named_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [ROW])
    assert read_training(path, Row) == [ROW]
    path.write_text("{}\n")
    with pytest.raises(InputError, match="line 1: id: Field required"):
        read_training(path, Row)
    with pytest.raises(InputError, match="there is no file"):
        read_training(tmp_path / "none.jsonl", Row)


@pytest.mark.parametrize(
    "command",
    [
        ("generate", "--seeds", "judged.jsonl"),
        ("dedup", "judged.jsonl"),
        ("split", "judged.jsonl"),
        ("train", "judged.jsonl", "judged.jsonl"),
    ],
)
def test_every_stage_before_the_student_refuses_judgements(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "judged.jsonl").write_text(f"{FOREIGN['a judgement']}\n", encoding="utf-8")
    options = ("--recipe", "smoke", "-o", "out", "--set", "tracking.enabled=false")
    done = gukbap(*command, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert "a judgement, which must never become training data" in done.stderr
    assert "Traceback" not in done.stderr
