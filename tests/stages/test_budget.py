"""The budget of generation: kept to the call, also at once and after a resume; nothing paid for is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.progress import SilentProgress
from gukbap.config import BudgetConfig, Endpoint, GenerateConfig, GenerateSettings
from gukbap.errors import BudgetError, ConfigError, UsageError
from gukbap.files import read_jsonl
from gukbap.journal import Journal
from gukbap.ports import Completion, Sampling
from gukbap.recipes import load_recipe
from gukbap.runners.run_folder import RunFolder
from gukbap.schemas import Message, Row
from gukbap.stages.budget import Spending, Wallet, prompt_tokens_at_most
from gukbap.stages.calls import RecordedCalls
from gukbap.stages.generate import draw_seeds, generate, load_seeds
from gukbap.workers.generate import run_generate
from tests.command import gukbap
from tests.lineages import TEACHER
from tests.stages.generate.doubles import CountingChat, settings

SEEDS = draw_seeds(GenerateConfig(seed_count=14), load_seeds(GenerateConfig()), seed=42)
PRICED = Endpoint(model="scripted://m", prompt_price=1000.0, completion_price=2000.0)
SAMPLING = Sampling(temperature=0, top_p=1, max_tokens=40, seed=1)


class Meter:
    """Replies after a moment with 10 tokens, and counts what is under way."""

    name, concurrency = "meter", 8

    def __init__(self, tries: int = 1) -> None:
        self.calls = 0
        self._tries = tries

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        self.calls += 1
        await asyncio.sleep(0.01)
        return Completion("답", "stop", 20, 10, tries=self._tries)


def _ask(number: int) -> list[Message]:
    return [Message(role="user", content=f"{number:02d}번째로 묻는 말입니다.")]


async def _all(calls: RecordedCalls, count: int) -> list[Any]:
    asked = (calls.complete(_ask(number), SAMPLING, "test") for number in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.parametrize(
    ("limits", "most_calls"),
    [({"max_requests": 7}, 7), ({"max_tokens": 310}, 10), ({"max_cost": 0.41}, 10), ({}, 30)],
)
def test_calls_at_once_stay_within_the_limits(
    tmp_path: Path, limits: dict[str, float], most_calls: int
) -> None:
    budget, meter = BudgetConfig.model_validate(limits), Meter()
    with Journal(tmp_path / "calls.jsonl") as journal:
        wallet = Wallet(budget, PRICED, journal)
        found = asyncio.run(_all(RecordedCalls(meter, journal, wallet=wallet), 30))
        kept = len(journal)
    refused = [one for one in found if isinstance(one, BudgetError)]
    assert kept == meter.calls == 30 - len(refused) <= most_calls
    assert kept >= most_calls - 2, "what was set aside and not used is given back"
    assert wallet.spent == Spending(kept, 20 * kept, 10 * kept)
    assert wallet.cost == pytest.approx((20 * kept * 1000 + 10 * kept * 2000) / 1e6)
    for error in refused:
        (name,) = limits
        assert f"budget.{name} of" in error.problem
        assert f"--set budget.{name}=" in str(error)


def test_tries_that_failed_are_requests_too(tmp_path: Path) -> None:
    meter = Meter(tries=3)
    with Journal(tmp_path / "calls.jsonl") as journal:
        wallet = Wallet(BudgetConfig(max_requests=4), PRICED, journal)
        calls = RecordedCalls(meter, journal, wallet=wallet)
        asyncio.run(calls.complete(_ask(1), SAMPLING, "test"))
        assert wallet.spent.requests == 3
        asyncio.run(calls.complete(_ask(2), SAMPLING, "test"))
        with pytest.raises(BudgetError):
            asyncio.run(calls.complete(_ask(3), SAMPLING, "test"))


def test_a_prompt_is_estimated_on_the_safe_side() -> None:
    assert prompt_tokens_at_most(_ask(1)) > len(_ask(1)[0].content)


def _run(folder: Path, options: GenerateSettings, chat: CountingChat) -> Any:
    with Journal(folder / "calls.jsonl") as journal:
        return generate(options, SEEDS, chat, TEACHER, journal, SilentProgress())


def test_a_stopped_run_goes_on_with_what_was_paid_for(tmp_path: Path) -> None:
    whole = _run(tmp_path / "whole", settings(), CountingChat())
    first = CountingChat()
    small = settings().model_copy(update={"budget": BudgetConfig(max_requests=12)})
    with pytest.raises(BudgetError, match=r"budget\.max_requests of 12 is used up: 12 requests"):
        _run(tmp_path / "part", small, first)
    assert len(first.calls) == 12
    still = CountingChat()
    with pytest.raises(BudgetError):
        _run(tmp_path / "part", small, still)
    assert still.calls == []
    second = CountingChat()
    result = _run(tmp_path / "part", settings(), second)
    assert result.rows == whole.rows
    assert len(first.calls) + len(second.calls) == whole.statistics["calls_sent"]


def test_the_worker_finds_the_journal_of_the_smaller_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUKBAP_WORK_DIR", str(tmp_path / "work"))
    names = ("rows", "dropped", "seeds", "statistics")
    rows, dropped, seeds, statistics = (tmp_path / name for name in names)
    small = load_recipe("smoke", ["tracking.enabled=false", "budget.max_requests=5"]).generate_settings()
    with pytest.raises(BudgetError):
        run_generate(small, rows=rows, dropped=dropped, seeds=seeds, statistics=statistics)
    assert not rows.exists()
    larger = small.model_copy(update={"budget": BudgetConfig(max_requests=1000)})
    outcome = run_generate(larger, rows=rows, dropped=dropped, seeds=seeds, statistics=statistics)
    assert outcome.statistics["calls_reused"] == 5
    assert read_jsonl(rows, Row)


def test_a_budget_of_nothing_is_refused() -> None:
    for key in ("max_requests", "max_tokens", "max_cost"):
        with pytest.raises(ConfigError, match=rf"budget\.{key}: no call fits into that budget"):
            load_recipe("local", [f"budget.{key}=0"])


def test_a_cost_without_prices_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"needs teacher\.prompt_price and teacher\.completion_price"):
        load_recipe("local", ["budget.max_cost=1"])


def test_the_budget_does_not_change_a_recipe_s_hash() -> None:
    assert load_recipe("local").hash == load_recipe("local", ["budget.max_requests=5"]).hash
    assert load_recipe("local").hash != load_recipe("local", ["seed=5"]).hash


def test_a_resumed_run_takes_another_budget_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, load_recipe("smoke", ["budget.max_requests=5"]), "r")
    folder.change_budget(["budget.max_requests=9", "budget.max_tokens=100"])
    assert folder.recipe.budget == BudgetConfig(max_requests=9, max_tokens=100)
    with pytest.raises(UsageError, match="would change the run r"):
        folder.change_budget(["budget.max_requests=9", "seed=3"])


@pytest.mark.slow
def test_the_command_stops_and_goes_on(tmp_path: Path) -> None:
    off = ("--set", "tracking.enabled=false")
    stopped = gukbap("run", "smoke", *off, "--set", "budget.max_requests=5", "--run-id", "r", cwd=tmp_path)
    assert stopped.returncode == 1
    assert "budget.max_requests of 5 is used up" in stopped.stderr
    assert "--resume RUN --set budget.max_requests=…" in stopped.stderr
    done = gukbap("run", "--resume", "r", "--set", "budget.max_requests=null", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    refused = gukbap("run", "--resume", "r", "--set", "seed=1", cwd=tmp_path)
    assert refused.returncode == 2
