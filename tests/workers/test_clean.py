"""The clean stage on files: packs, files of texts, word lists, the student's tokenizer; and its statement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.korean_rows import row
from gukbap.cli.provenance import provenance
from gukbap.config import CleanSettings
from gukbap.errors import InputError
from gukbap.files import read_json, read_jsonl, write_jsonl
from gukbap.recipes import load_recipe
from gukbap.schemas import Excluded, Row
from gukbap.workers.clean import run_clean
from gukbap.workers.context import Outcome

PLAIN = "국밥은 국에 밥을 말아 먹는 음식으로, 시장에서 즐겨 먹던 한 끼입니다."
SECRET = "달빛 항구의 등대지기가 고양이 세 마리와 함께 겨울을 나는 방법을 다섯 단계로 설명해 주세요."


def _settings(*overrides: str) -> CleanSettings:
    return load_recipe("smoke", ["tracking.enabled=false", *overrides]).clean_settings()


def _run(folder: Path, rows: list[Row], *overrides: str) -> Outcome:
    write_jsonl(folder / "generated.jsonl", rows)
    return run_clean(
        _settings(*overrides),
        source=folder / "generated.jsonl",
        rows=folder / "clean.jsonl",
        excluded=folder / "excluded.jsonl",
        statement=folder / "decontamination.json",
        statistics=folder / "statistics.json",
    )


def test_the_own_pack_its_few_shots_and_files_of_texts_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text(json.dumps({"id": 7, "turns": [{"text": SECRET}]}) + "\n", "utf-8")
    (tmp_path / "more.txt").write_text(f"{SECRET[::-1]}\n\n", "utf-8")
    rows = [
        row("plain", "국밥이란 무엇인가요?", PLAIN),
        row("turn", "비오는 날 저녁 버스정류장의 풍경을 3문장으로 묘사해 줘", PLAIN),
        row("example", "물이 끓을 때 거품이 생기는 이유는 무엇입니까?", PLAIN),
        row("line", "고양이 3마리와 함께 달빛 항구 등대지기가 겨울을 나는 방법을 5단계로 설명해 줘", PLAIN),
        row("text", SECRET[::-1], PLAIN),
    ]
    files = f"clean.benchmarks=[{tmp_path / 'more.jsonl'}, {tmp_path / 'more.txt'}]"
    outcome = _run(tmp_path, rows, files)
    found = {one.row.id: one.detail for one in read_jsonl(tmp_path / "excluded.jsonl", Excluded)}
    assert found == {
        "turn": "offline-pack question 15 turn 1",
        "example": "strategy 1-shot message 1",
        "line": "more.jsonl line 1 turns.0.text",
        "text": "more.txt line 1",
    }
    assert [one.id for one in read_jsonl(tmp_path / "clean.jsonl", Row)] == ["plain"]
    statement = read_json(tmp_path / "decontamination.json")
    assert [leak["row_id"] for leak in statement["leaks"]] == list(found)
    assert [one["name"] for one in statement["evaluations"]][2:] == ["more.jsonl", "more.txt"]
    assert outcome.metadata["statement_sha256"] == statement["sha256"]


def test_a_list_of_words_and_the_student_s_tokens(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("# 지어낸 말\n국밥바보\n", "utf-8")
    rows = [
        row("plain", "국밥이란 무엇인가요?", PLAIN),
        row("toxic", "국밥이란 무엇인가요?", f"국밥바보야, {PLAIN}"),
        row("long", "국밥이란 무엇인가요?", PLAIN.replace("음식", "따뜻하고 든든하고 구수한 음식")),
    ]
    # The tiny tokenizer counts bytes.
    most = len("국밥이란 무엇인가요?".encode()) + len(PLAIN.encode()) + 2
    _run(tmp_path, rows, f"clean.toxic_words={words}", f"clean.max_tokens={most}")
    excluded = read_jsonl(tmp_path / "excluded.jsonl", Excluded)
    assert {one.row.id: one.reason for one in excluded} == {"toxic": "toxic", "long": "length"}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n# nothing\n", "utf-8")
    (tmp_path / "bad.jsonl").write_text('{"a": "b"}\n{"a":\n', "utf-8")
    rows = [row("plain", "국밥이란 무엇인가요?", PLAIN)]
    with pytest.raises(InputError, match="holds no word"):
        _run(tmp_path, rows, f"clean.toxic_words={tmp_path / 'empty.txt'}")
    with pytest.raises(InputError, match="line 2: not JSON"):
        _run(tmp_path, rows, f"clean.benchmarks=[{tmp_path / 'bad.jsonl'}]")
    with pytest.raises(InputError, match="there is no file"):
        _run(tmp_path, rows, f"clean.benchmarks=[{tmp_path / 'none.jsonl'}]")


def test_another_student_makes_no_other_data_unless_its_tokens_count() -> None:
    other = "student.max_length=512"
    assert _settings(other) == _settings()
    assert _settings(other, "clean.max_tokens=100") != _settings("clean.max_tokens=100")


def test_the_provenance_command_verifies_the_statement(tmp_path: Path) -> None:
    rows = [row(str(number), f"국밥 이야기 {number}을 들려주세요.", PLAIN) for number in range(3)]
    _run(tmp_path, rows)
    write_jsonl(tmp_path / "train.jsonl", rows[:2])

    def told() -> list[str]:
        text = CliRunner().invoke(provenance, [str(tmp_path)]).stdout
        return [line for line in text.splitlines() if "decontaminat" in line or f"{tmp_path}: " in line]

    assert told() == ["decontaminated, as decontamination.json states: its hash and all rows hold"]
    write_jsonl(tmp_path / "validation.jsonl", [row("new", "처음 보는 질문인가요?", PLAIN)])
    assert told() == [f"PROBLEM  {tmp_path}: 1 rows were never checked, the first is 'new'"]
