"""Seed files as users have them: formats, encodings, wrong lines, repeated instructions."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from gukbap.config import GenerateConfig
from gukbap.errors import GukbapWarning, InputError
from gukbap.files import sha256_text
from gukbap.schemas import Seed
from gukbap.stages.generate import load_seeds
from gukbap.stages.generate.seed_files import FORMATS, read_seed_file

SUM, SKY = "1부터 10까지 더하면 얼마인가요?", "하늘이 파란 까닭을 설명해 주세요."


def _read(folder: Path, name: str, content: str | bytes) -> Sequence[Seed]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_seed_file(path, "everyday")


def _name(instruction: str) -> str:
    return f"seed-{sha256_text(instruction)[:12]}"


def test_a_whole_record_is_taken_as_it_is(tmp_path: Path) -> None:
    (seed,) = _read(tmp_path, "a.jsonl", f'{{"id": "m1", "category": "math", "instruction": "{SUM}"}}\n')
    assert seed == Seed(id="m1", category="math", instruction=SUM)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", f"{SUM}\n\n  {SKY}  \n"),
        ("a.TXT", f"\ufeff{SUM}\r\n{SKY}"),
        ("a.csv", f"instruction\n{SUM}\n{SKY}\n"),
        ("a.csv", f"memo, instruction \n,{SUM}\n메모,{SKY}\n"),
        ("a.jsonl", f'{{"instruction": "{SUM}", "memo": 1}}\n\n{{"instruction": "{SKY}"}}'),
    ],
)
def test_an_instruction_alone_gets_a_name_of_its_text_and_the_default_category(
    tmp_path: Path, name: str, content: str
) -> None:
    assert _read(tmp_path, name, content) == [
        Seed(id=_name(text), category="everyday", instruction=text) for text in (SUM, SKY)
    ]


def test_a_name_does_not_depend_on_the_file_s_other_lines(tmp_path: Path) -> None:
    (alone,) = _read(tmp_path, "a.txt", SUM)
    assert alone in _read(tmp_path, "b.txt", f"{SKY}\n{SUM}\n")
    assert _read(tmp_path, "c.txt", unicodedata.normalize("NFD", SUM)) == [alone]


def test_a_table_keeps_line_breaks_and_commas_in_quotes(tmp_path: Path) -> None:
    text = (
        "id,category,instruction\n"
        '1,writing,"첫째 줄, 그리고\n둘째 줄을 고쳐 써 주세요."\n'
        '2,,"그는 ""예""라고 했나요?"\n'
    )
    first, second = _read(tmp_path, "a.csv", text)
    assert first.instruction == "첫째 줄, 그리고\n둘째 줄을 고쳐 써 주세요."
    assert (second.category, second.instruction) == ("everyday", '그는 "예"라고 했나요?')


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"instruction": "가"}\n{"instruction": ', "line 2: not JSON (Expecting value at column"),
        ("a.jsonl", '{"id": "x"}', "line 1: instruction: Field required"),
        ("a.jsonl", '["가"]', "line 1: the line: Input should be a valid dictionary"),
        ("a.jsonl", '{"instruction": " "}', "line 1: instruction: Value error, the text is empty"),
        (
            "a.csv",
            "id,instruction\n1,가\n2\n3,나,다\n",
            "line 3: instruction: Field required; line 4: 1 cells more",
        ),
        ("a.csv", "id,text\n1,가\n", "the header has the columns id, text"),
        ("a.csv", 'instruction\n"가', "after line 1: not CSV"),
        ("a.txt", " \n\n", "holds no seed"),
        ("a.jsonl", "", "holds no seed"),
        ("a.csv", "", "the header has the columns of nothing"),
        ("a.xlsx", "가", "seeds are not read from .xlsx"),
        ("a", "가", "seeds are not read from files without an ending"),
        ("a.txt", SUM.encode("euc-kr"), "it reads as Korean in CP949"),
        ("a.csv", f"instruction\n{SKY}\n".encode("cp949"), "it reads as Korean in CP949"),
        ("a.txt", SKY.encode("utf-16"), "it reads as Korean in UTF-16"),
        ("a.txt", b"\xff\xfe\xfd\x00\x81", "is not UTF-8"),
        ("a.jsonl", '{"questions": ["가", "나"], "references": [null, null]}', "an evaluation question"),
    ],
)
def test_a_wrong_file_is_told_in_one_error(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    with pytest.raises(InputError) as raised:
        _read(tmp_path, name, content)
    assert said in raised.value.problem
    assert raised.value.expected


def test_many_wrong_lines_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 5: .*; and 7 more lines") as raised:
        _read(tmp_path, "a.jsonl", "{}\n" * 12)
    assert "line 6" not in raised.value.problem


def test_the_fix_for_another_encoding_is_a_command(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        _read(tmp_path, "mine.csv", SUM.encode("euc-kr"))
    assert raised.value.fix == "iconv -f CP949 -t UTF-8 mine.csv > mine-utf8.csv"


def test_an_instruction_that_stands_there_twice_is_used_once_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(GukbapWarning, match="2 of the instructions stand there before and are left out"):
        seeds = _read(tmp_path, "a.txt", f"{SUM}\n{SKY}\n{SUM} \n{SUM.replace('1', '１')}\n")
    assert [seed.instruction for seed in seeds] == [SUM, SKY]


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "seeds.csv"
    path.write_text(f"id,instruction\na,{SUM}\na,{SKY}\n", encoding="utf-8")
    for reference in (str(path), f"file://{path}"):
        with pytest.raises(InputError, match="'a' stands there twice"):
            load_seeds(GenerateConfig(seeds=reference))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for ending in FORMATS:
        with pytest.raises(InputError, match="there is no file"):
            read_seed_file(tmp_path / f"none{ending}", "everyday")


def test_a_folder_of_files_is_read_by_name_each_text_once(tmp_path: Path) -> None:
    (tmp_path / "week-1").mkdir()
    (tmp_path / "b.txt").write_text(f"{SKY}\n", "utf-8")
    (tmp_path / "a.csv").write_text(f"instruction,category\n{SUM},math\n", "utf-8")
    line = {"instruction": "국밥의 유래는?", "source": "feedback", "category": "everyday"}
    (tmp_path / "week-1" / "c.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    (tmp_path / ".b.txt.x1.tmp").write_text("torn", "utf-8")
    seeds = load_seeds(GenerateConfig(seeds=str(tmp_path)))
    assert [(seed.instruction, seed.source) for seed in seeds] == [
        (SUM, None),
        (SKY, None),
        ("국밥의 유래는?", "feedback"),
    ]
    (tmp_path / "week-2.txt").write_text(f"{SUM}\n", "utf-8")
    (tmp_path / "notes.xlsx").touch()
    with (
        pytest.warns(GukbapWarning, match="1 of the instructions"),
        pytest.warns(GukbapWarning, match=r"notes\.xlsx"),
    ):
        assert len(load_seeds(GenerateConfig(seeds=str(tmp_path)))) == 3


def test_a_folder_without_seeds_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no file of seeds"):
        load_seeds(GenerateConfig(seeds=str(tmp_path)))
