"""The clean stage: nothing is lost, nothing depends on order, and the statement says what happened."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.decontamination import prompts, questions
from bench.korean_rows import planted_rows, row
from gukbap.adapters.progress import SilentProgress
from gukbap.benchmarks import Evaluation
from gukbap.config import CleanConfig, CleanSettings
from gukbap.errors import InputError
from gukbap.files import write_jsonl
from gukbap.schemas import Message, Row
from gukbap.stages.clean import CleanResult, clean
from gukbap.stages.clean.statement import row_digest, statement, statement_problems
from tests.stages.clean import cases

TEXTS = prompts(questions("own"))
GOOD_ANSWER = "국에 밥을 말아 먹는 따뜻한 한국 음식으로, 시장에서 즐겨 먹던 한 끼입니다."


def _settings(**values: object) -> CleanSettings:
    return CleanSettings(seed=1, clean=CleanConfig.model_validate(values))


def _clean(rows: list[Row], settings: CleanSettings | None = None, **given: object) -> CleanResult:
    return clean(settings or _settings(), rows, TEXTS, SilentProgress(), **given)  # type: ignore[arg-type]


def _rows() -> list[Row]:
    bad = [cases.LANGUAGE[0], cases.REPETITION[0], cases.REFUSAL[0], cases.TRUNCATION[0], cases.MARKUP[0]]
    pairs = [(TEXTS[4].text, GOOD_ANSWER), *bad, *[("국밥이란?", one) for one in cases.RESIDENT_NUMBER[:1]]]
    good = [one.model_copy(update={"id": f"good-{one.id}"}) for one in planted_rows(40, 1)]
    return [*good, *(row(f"bad-{number}", *pair) for number, pair in enumerate(pairs))]


def test_every_row_is_kept_or_excluded_with_its_reason_whatever_the_order() -> None:
    rows = _rows()
    result = _clean(rows)
    reasons = {one.row.id: one.reason for one in result.excluded}
    assert list(reasons.values()) == [
        "leak", "language", "repetition", "refusal", "truncation", "markup", "personal_resident_number",
    ]  # fmt: skip
    assert [one.id for one in result.kept] == [one.id for one in rows if one.id not in reasons]
    assert result.statistics["removed_by_reason"]["leak"] == result.statistics["leaks"] == 1
    random.Random(3).shuffle(rows)
    again = _clean(rows)
    assert {one.row.id: one for one in again.excluded} == {one.row.id: one for one in result.excluded}


def test_each_filter_can_be_turned_off() -> None:
    off = _settings(
        language=False,
        repetition=False,
        refusal_max_words=0,
        truncation=False,
        markup=False,
        personal_data=[],
    )
    assert {one.reason for one in _clean(_rows(), off).excluded} == {"leak"}


def test_bounds_in_tokens_and_a_list_of_words() -> None:
    rows = [row(str(n), "국밥이란?", "밥 " * n + "국밥바보라는 말도 있습니다.") for n in (1, 10, 30)]
    bounds = _settings(min_tokens=6, max_tokens=30, repetition=False)
    kept = _clean(rows, bounds, count_tokens=lambda text: len(text.split())).kept
    assert [one.id for one in kept] == ["10"]
    listed = _clean(
        [*rows, row("plain", "국밥이란?", GOOD_ANSWER)], _settings(repetition=False), words=["국밥바보"]
    )
    assert {one.reason for one in listed.excluded} == {"toxic"} and [one.id for one in listed.kept] == [
        "plain"
    ]
    inside = _clean([row("r", "뜻은?", "왕국밥바보시대라는 지어낸 말입니다.")], words=["국밥바보"])
    assert inside.excluded == []


def test_edge_rows_are_never_lost(tmp_path: Path) -> None:
    edges = [
        "",
        " \n",
        "😀",
        "\x00",
        "\ud800 홀로",
        "가" * 1_000_000,
        "\u202e거꾸로 된 글",
        "a" * 200_000,
        "밥",
    ]
    plain = row("plain", "국밥이란?", GOOD_ANSWER)
    rows = [plain, *(plain.model_copy(update={"messages": _turns(text)}) for text in edges)]
    result = _clean(rows, _settings(personal_data=["phone", "email", "account", "card", "resident_number"]))
    assert len(result.kept) + len(result.excluded) == len(rows)
    assert write_jsonl(tmp_path / "excluded.jsonl", result.excluded) == len(result.excluded)
    assert write_jsonl(tmp_path / "kept.jsonl", result.kept) == len(result.kept)


def _turns(text: str) -> list[Message]:
    return [
        Message.model_construct(role="user", content="이것은 무엇인가요?"),
        Message.model_construct(role="assistant", content=text),
    ]


def test_where_no_row_is_left_the_reasons_are_told() -> None:
    with pytest.raises(InputError, match=r"no row is left of 2 \(2 × refusal\)"):
        _clean([row(str(number), *cases.REFUSAL[number]) for number in range(2)])


def test_the_statement_holds_and_whatever_is_changed_is_noticed() -> None:
    result = _clean(_rows())
    stated = statement(_settings(), [Evaluation("own", "e" * 64, TEXTS)], result, "a" * 64)
    assert (stated["rows_checked"], stated["rows_with_a_leak"], stated["rows_kept"]) == (47, 1, 40)
    assert [leak["text_id"] for leak in stated["leaks"]] == [TEXTS[4].id]
    checked = {row_digest(one) for one in result.kept}

    def problems(
        values: object, sha256: str | None = "a" * 64, rows: Sequence[Row] = result.kept[:5]
    ) -> list[str]:
        return statement_problems(values, rows_sha256=sha256, checked=checked, rows=rows)

    assert problems(stated) == []
    assert "was changed" in problems({**stated, "rows_with_a_leak": 0})[0]
    assert "not those" in problems(stated, "b" * 64)[0]
    assert "not at hand" in problems(stated, None)[0]
    assert "1 rows were never checked" in problems(stated, rows=[row("new", "새 질문", "새 답")])[0]
    assert "no statement" in problems([])[0]
    off = statement(_settings(decontaminate=False), [], _clean(_rows()), "a" * 64)
    assert "not held against" in problems(off)[0]
