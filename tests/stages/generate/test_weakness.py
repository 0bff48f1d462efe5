"""Weights and rounds out of a model's scores; the scores are made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from gukbap.benchmarks.judged import read_judged
from gukbap.config import WeaknessConfig
from gukbap.schemas import CATEGORIES
from gukbap.stages.generate.weakness import CategoryNeed, category_needs
from gukbap.stages.scores import Interval, ScoreRow, score_table
from tests.judgements import judgement

GUKBAP = Path(__file__).parents[4] / "shared/data/logickor/evaluated/HumanF-MarkrAI/Gukbap-Mistral-7B"


def row(scores: Sequence[float | None], error: float) -> ScoreRow:
    """A row whose categories have these scores, each with the same standard error."""
    (blank,) = score_table([judgement(0, turn, 5.0) for turn in (1, 2)], resamples=10).rows
    half = 1.959964 * error
    return blank.model_copy(
        update={
            "categories": dict(zip(CATEGORIES, scores, strict=True)),
            "intervals": {
                name: None if score is None else Interval(low=score - half, high=score + half)
                for name, score in zip(CATEGORIES, scores, strict=True)
            },
        }
    )


def needs(scores: Sequence[float | None], error: float, **bounds: float) -> dict[str, CategoryNeed]:
    config = WeaknessConfig.model_validate(bounds)
    return {need.category: need for need in category_needs(row(scores, error), config, rounds=4)}


def test_scores_are_drawn_to_the_mean_as_the_formula_says() -> None:
    found = needs([2, 4, 4, 6, 6, 8], error=1.0)
    # Mean 5, variance of the scores 22/5, less the noise of 1: A = 3.4, A/(A + V) = 3.4/4.4.
    assert found["reasoning"].shrunk == pytest.approx(5 + 3.4 / 4.4 * (2 - 5), abs=1e-5)
    assert found["grammar"].shrunk == pytest.approx(5 + 3.4 / 4.4 * (8 - 5), abs=1e-5)
    lacking = {name: 10 - (need.shrunk or 0) for name, need in found.items()}
    whole = fmean(lacking.values())
    assert found["math"].weight == pytest.approx(lacking["math"] / whole, abs=1e-3)
    assert fmean(need.weight for need in found.values()) == pytest.approx(1, abs=1e-3)


def test_what_chance_explains_gives_even_shares_and_no_further_round() -> None:
    found = needs([3, 4, 5, 5, 6, 7], error=2.0, extra_rounds=2)
    assert {(need.weight, need.rounds) for need in found.values()} == {(1.0, 4)}


def test_the_weights_of_two_equal_models_seldom_leave_their_even_share_by_much() -> None:
    generator = np.random.default_rng(7)
    drawn = [generator.normal(6, 1.2, size=6).clip(0, 10) for _ in range(300)]
    highest = [max(need.weight for need in needs(list(one), error=1.2).values()) for one in drawn]
    assert float(np.mean(highest)) < 1.1 < max(highest)


@pytest.mark.parametrize(
    "scores", [[0, 9, 9, 9, 9, 9], [0, 10, 10, 10, 10, 10], [0, 0, 0, 0, 0, 10], [1, 1, 1, 9, 9, 9]]
)
@pytest.mark.parametrize("factor", [1.5, 2.0, 4.0])
def test_no_share_leaves_its_bounds(scores: list[float], factor: float) -> None:
    weights = [need.weight for need in needs(scores, 0.2, max_share_factor=factor).values()]
    even, whole = 1 / len(weights), sum(weights)
    for weight in weights:
        assert even / factor - 1e-3 <= weight / whole <= even * factor + 1e-3
    assert weights[0] == max(weights)


def test_the_weakest_get_all_further_rounds_and_less_weak_ones_fewer() -> None:
    found = needs([0, 4, 7, 7, 8, 8], error=0.2, max_share_factor=2, extra_rounds=2)
    assert (found["reasoning"].weight, found["reasoning"].rounds) == (2.0, 6)
    assert found["math"].weight == pytest.approx(1.5, abs=0.02)
    assert found["math"].rounds == 5
    assert {found[name].rounds for name in ("writing", "coding", "understanding", "grammar")} == {4}


def test_a_category_without_an_interval_weighs_one_and_too_few_tell_nothing() -> None:
    found = needs([0, None, 9, 9, 9, 9], error=0.2)
    assert (found["math"].score, found["math"].weight) == (None, 1.0)
    assert found["reasoning"].weight > 1.5
    few = needs([0, None, 9, None, None, None], error=0.2)
    assert {need.weight for need in few.values()} == {1.0}


def test_seven_equal_scores_count_as_no_surer_than_the_others() -> None:
    """By chance a category of few questions has an interval of no width."""
    lucky = row([2, 4, 4, 6, 6, 8], error=1.0)
    narrow = lucky.model_copy(
        update={"intervals": {**lucky.intervals, CATEGORIES[0]: Interval(low=2.0, high=2.0)}}
    )
    config = WeaknessConfig()
    found = category_needs(narrow, config, rounds=4)[0]
    between, noise = 22 / 5 - 5 / 6, 5 / 6
    assert found.error == 0
    assert found.shrunk == pytest.approx(5 + between / (between + noise) * (2 - 5), abs=1e-5)


@pytest.mark.skipif(not GUKBAP.exists(), reason="LogicKor's stored judgements are not beside the checkout")
def test_the_card_s_model_is_weak_in_math_reasoning_and_grammar() -> None:
    table = score_table(read_judged([GUKBAP / "default.jsonl"]).judgements)
    found = {need.category: need.weight for need in category_needs(table.rows[0], WeaknessConfig(), rounds=4)}
    weak = {category for category, weight in found.items() if weight > 1}
    assert weak == {"reasoning", "math", "grammar"}
    assert max(found, key=lambda category: found[category]) == "math"
