"""The stage as a whole, with scripted chat models and a real journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from gukbap.config import GenerateConfig, GenerateSettings
from gukbap.errors import ConfigError, EndpointError, GukbapError
from gukbap.journal import Journal
from gukbap.ports import ChatModel
from gukbap.schemas import Seed
from gukbap.stages.generate import GenerateResult, draw_seeds, generate, load_seeds
from tests.lineages import TEACHER
from tests.stages.generate.doubles import CountingChat, FixedChat, SilentProgress, settings

SEEDS = draw_seeds(GenerateConfig(seed_count=14), load_seeds(GenerateConfig()), seed=42)
ONE_SEED = [Seed(id="s", category="everyday", instruction="집에서 두부를 만드는 방법을 알려 주세요.")]
NEW = "새 지시문: 집에서 두부를 만드는 방법을 단계별로 알려 주세요. 간수 대신 쓸 재료도 들어 주세요."


def _run(path: Path, options: GenerateSettings, model: ChatModel, seeds: Sequence[Seed]) -> GenerateResult:
    with Journal(path / "calls.jsonl") as journal:
        return generate(options, seeds, model, TEACHER, journal, SilentProgress())


def test_scripted_run_end_to_end(tmp_path: Path) -> None:
    result = _run(tmp_path, settings(rounds=2), CountingChat(), SEEDS)
    assert len(result.rows) > 20
    assert result.dropped, "the script makes mistakes on purpose"
    assert len({row.id for row in result.rows} | {drop.id for drop in result.dropped}) == len(
        result.rows
    ) + len(result.dropped)
    assert {row.lineage.round for row in result.rows} == {0, 1, 2}
    for row in result.rows:
        assert [message.role for message in row.messages] == ["user", "assistant"]
        assert row.lineage.teacher == TEACHER
        assert (row.lineage.instruction_call is None) == (row.lineage.round == 0)


def test_statistics_add_up_and_are_json(tmp_path: Path) -> None:
    model = CountingChat()
    result = _run(tmp_path, settings(rounds=2), model, SEEDS)
    statistics = json.loads(json.dumps(result.statistics, allow_nan=False))
    assert statistics["rows"] == len(result.rows)
    assert statistics["dropped"] == len(result.dropped) == sum(statistics["reasons"].values())
    assert sum(cell["count"] for cell in statistics["outcomes"]) == 14 * 3
    assert statistics["calls_sent"] == len(model.calls)
    assert statistics["calls_reused"] == 0
    assert statistics["prompt_tokens"] > 0 < statistics["completion_tokens"]


def test_every_call_in_a_lineage_stands_in_the_journal(tmp_path: Path) -> None:
    result = _run(tmp_path, settings(), CountingChat(), SEEDS)
    with Journal(tmp_path / "calls.jsonl") as journal:
        for row in result.rows:
            assert journal[row.lineage.answer_call.key]["text"].strip() == row.response
            if row.lineage.instruction_call:
                assert row.instruction in journal[row.lineage.instruction_call.key]["text"]


def test_rows_do_not_depend_on_the_order_of_completion(tmp_path: Path) -> None:
    results = [
        _run(tmp_path / str(number), settings(rounds=2), model, SEEDS)
        for number, model in enumerate(
            [CountingChat(concurrency=1), CountingChat(shuffle=1), CountingChat(concurrency=9, shuffle=2)]
        )
    ]
    assert results[0] == results[1] == results[2]


def test_another_seed_draws_otherwise(tmp_path: Path) -> None:
    one = _run(tmp_path / "1", settings(seed=1), CountingChat(), SEEDS)
    two = _run(tmp_path / "2", settings(seed=2), CountingChat(), SEEDS)
    assert [row.id for row in one.rows] != [row.id for row in two.rows]


def test_a_killed_run_sends_only_what_is_missing(tmp_path: Path) -> None:
    whole = CountingChat()
    expected = _run(tmp_path / "whole", settings(), whole, SEEDS)
    broken = CountingChat(fail_after=len(whole.calls) // 2)
    with pytest.raises(EndpointError, match="the double fails now"):
        _run(tmp_path / "broken", settings(), broken, SEEDS)
    with Journal(tmp_path / "broken" / "calls.jsonl") as journal:
        paid = len(journal)
    assert 0 < paid <= len(broken.calls)
    again = CountingChat()
    result = _run(tmp_path / "broken", settings(), again, SEEDS)
    assert len(again.calls) == len(whole.calls) - paid
    assert result.rows == expected.rows
    assert result.dropped == expected.dropped
    assert result.statistics["calls_reused"] == paid


def test_a_finished_run_sends_nothing_again(tmp_path: Path) -> None:
    first = _run(tmp_path, settings(), CountingChat(), SEEDS)
    silent = CountingChat()
    assert _run(tmp_path, settings(), silent, SEEDS).rows == first.rows
    assert silent.calls == []


@pytest.mark.parametrize("wanted", [1, 5, 17])
def test_max_rows_cuts_in_order(tmp_path: Path, wanted: int) -> None:
    everything = _run(tmp_path / "all", settings(rounds=2), CountingChat(), SEEDS)
    few = CountingChat(concurrency=2, shuffle=3)
    result = _run(tmp_path / "few", settings(rounds=2, max_rows=wanted), few, SEEDS)
    assert result.rows == everything.rows[:wanted]
    assert len(few.calls) < everything.statistics["calls_sent"]


def test_kept_instructions_go_on_and_failed_ones_return(tmp_path: Path) -> None:
    result = _run(tmp_path, settings(rounds=4), CountingChat(), SEEDS)
    newest = {seed.id: seed.id for seed in SEEDS}
    outcomes = sorted(
        [(row.lineage.round, row.lineage.seed_id, row.id, row.lineage.parent_id) for row in result.rows]
    )
    for number, seed_id, row_id, parent_id in outcomes:
        if number:
            assert parent_id == newest[seed_id]
            newest[seed_id] = row_id
    tries = Counter(drop.id.split("/")[0] for drop in result.dropped if drop.round)
    tries.update(row.lineage.seed_id for row in result.rows if row.lineage.round)
    assert set(tries.values()) == {4}


def test_seeds_are_answered_only_when_asked(tmp_path: Path) -> None:
    result = _run(tmp_path, settings(answer_seeds=False), CountingChat(), SEEDS)
    assert {row.lineage.round for row in result.rows} == {1}


@pytest.mark.parametrize(
    ("verdict", "reason"), [("같음", "instruction_equal"), ("글쎄요", "instruction_equality_unreadable")]
)
def test_verdicts_drop_before_an_answer_is_paid(tmp_path: Path, verdict: str, reason: str) -> None:
    result = _run(tmp_path, settings(), FixedChat(NEW, verdict=verdict), ONE_SEED)
    assert [drop.reason for drop in result.dropped] == [reason]
    assert result.dropped[0].response is None
    assert result.statistics["calls_sent"] == 3


def test_free_checks_come_before_paid_ones(tmp_path: Path) -> None:
    result = _run(tmp_path, settings(), FixedChat("콩을 불려서 곱게 갈아 끓입니다."), ONE_SEED)
    assert [drop.reason for drop in result.dropped] == ["instruction_answers"]
    assert result.statistics["calls_sent"] == 2


def test_ids_and_lineage_of_one_seed(tmp_path: Path) -> None:
    result = _run(tmp_path, settings(breadth_share=1.0), FixedChat(NEW), ONE_SEED)
    seed, evolved = result.rows
    assert (seed.id, evolved.id) == ("s", "s/r1-breadth")
    assert evolved.lineage.parent_id == "s"
    assert evolved.instruction == NEW.removeprefix("새 지시문: ")


def test_nothing_kept_is_an_error_that_counts_reasons(tmp_path: Path) -> None:
    with pytest.raises(GukbapError, match=r"no row was kept out of 2 .*answer_no_content 2"):
        _run(tmp_path, settings(), FixedChat(NEW, answer="..."), ONE_SEED)


def test_nothing_to_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is nothing to generate"):
        _run(tmp_path, settings(rounds=0, answer_seeds=False), CountingChat(), SEEDS)


def test_each_category_goes_through_its_own_number_of_rounds(tmp_path: Path) -> None:
    options = settings(rounds=1, category_rounds={"math": 3, "coding": 0})
    result = _run(tmp_path, options, CountingChat(), SEEDS)
    last: dict[str, int] = {}
    for candidate in (*result.kept, *result.failed):
        last[candidate.category] = max(last.get(candidate.category, 0), candidate.round)
    assert last == {category: {"math": 3, "coding": 0}.get(category, 1) for category in last}
    asked = sum(options.generate.candidates(seed.category) for seed in SEEDS)
    assert len(result.kept) + len(result.failed) == asked


def test_weakness_that_nobody_has_settled_is_refused(tmp_path: Path) -> None:
    options = settings(seed_count=14, weakness={"enabled": True})
    with pytest.raises(ConfigError, match="no weights were settled"):
        _run(tmp_path, options, CountingChat(), SEEDS)
