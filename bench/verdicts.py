"""Whether the intervals and verdicts keep their promise: simulation with the stored judgements' own noise.

    python bench/verdicts.py [--evaluated ../shared/data/logickor/evaluated] [--simulations 4000]

- coverage: 42 questions are drawn with replacement from a stored run (or a stored pair of runs), whose
  42 questions are the population; how often does the 95 % interval hold the population's value? Wanted:
  93–97 %.
- A/A: two runs that are alike by construction; how often is the verdict not "cannot tell"? Wanted: at
  most 5 %, for the whole and for any of the six categories. "swapped": each question of a stored pair
  changes sides at random. "redrawn": both sides draw each question's answer from one model's three
  strategies.

The peer is what a table with N = 84 invites to: every turn an independent draw, Welch's t-test and its
interval, each category tested for itself.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict

import numpy as np
from scipy import stats

from bench.stored_judgements import add_evaluated
from gukbap.benchmarks.judged import read_judged
from gukbap.schemas import CATEGORIES, Judgement
from gukbap.stages.scores import compare
from gukbap.stages.scores.resampling import Floats, interval, overall
from gukbap.stages.scores.slots import slots

QUESTIONS = 42
RESAMPLES = 4_000
LEVEL, ALPHA = 0.95, 0.05


def value(scores: Floats) -> float:
    """Overall of a complete grid, shape [n, 2]."""
    return float(overall(scores.sum(axis=0), np.array([len(scores), len(scores)], dtype=float)))


def naive_interval(scores: Floats) -> tuple[float, float]:
    """The t-interval of all turns as independent draws."""
    flat = scores.ravel()
    margin = stats.t.ppf((1 + LEVEL) / 2, flat.size - 1) * flat.std(ddof=1) / flat.size**0.5
    return flat.mean() - margin, flat.mean() + margin


def coverage(populations: list[Floats], simulations: int, seed: int) -> dict[str, float]:
    """Share of drawn samples whose interval holds the population's value."""
    generator = np.random.default_rng(seed)
    ours = naive = 0
    for number in range(simulations):
        population = populations[number % len(populations)]
        truth = value(population)
        drawn = population[generator.integers(0, len(population), QUESTIONS)]
        found = interval(drawn, number % 8, RESAMPLES)
        ours += found is not None and found.holds(truth)
        low, high = naive_interval(drawn)
        naive += bool(low <= truth <= high)
    return {"gukbap": ours / simulations, "peer": naive / simulations}


def grid(judgements: list[Judgement]) -> Floats:
    """Scores, shape [42, 2], ordered by question."""
    return slots(judgements).scores


def as_judgements(scores: Floats, categories: list[str], subject: str, example: Judgement) -> list[Judgement]:
    """A grid as records that `compare` takes."""
    return [
        example.model_copy(
            update={
                "question_id": question,
                "turn": turn + 1,
                "category": categories[question],
                "subject": subject,
                "score": float(scores[question, turn]),
            }
        )
        for question in range(len(scores))
        for turn in (0, 1)
    ]


def naive_false(a: Floats, b: Floats, categories: list[str]) -> tuple[bool, bool]:
    """Whether Welch's t-test finds a difference in the whole, and in any category."""

    def differs(rows: list[int]) -> bool:
        p = stats.ttest_ind(a[rows].ravel(), b[rows].ravel(), equal_var=False).pvalue
        return bool(p <= ALPHA)

    by_category = [[i for i, name in enumerate(categories) if name == one] for one in CATEGORIES]
    return differs(list(range(len(a)))), any(differs(rows) for rows in by_category)


def false_verdicts(
    pairs: list[tuple[Floats, Floats]], categories: list[str], example: Judgement, simulations: int, seed: int
) -> dict[str, dict[str, float]]:
    """Shares of false verdicts between sides that change places at random, seven questions a category."""
    generator = np.random.default_rng(seed)
    strata = [np.flatnonzero([name == one for name in categories]) for one in CATEGORIES]
    counts = {"gukbap": [0, 0], "peer": [0, 0]}
    for number in range(simulations):
        first, second = pairs[number % len(pairs)]
        rows = np.concatenate([generator.choice(rows, len(rows)) for rows in strata])
        names = [categories[row] for row in rows]
        swap = generator.integers(0, 2, (len(rows), 1)).astype(bool)
        a, b = (np.where(swap, x[rows], y[rows]) for x, y in ((first, second), (second, first)))
        found = compare(
            as_judgements(a, names, "a", example),
            as_judgements(b, names, "b", example),
            seed=number % 8,
            resamples=RESAMPLES,
        )
        counts["gukbap"][0] += found.significant
        counts["gukbap"][1] += any(one.verdict != "cannot tell" for one in found.categories.values())
        whole, any_category = naive_false(a, b, names)
        counts["peer"][0] += whole
        counts["peer"][1] += any_category
    return {
        name: {"whole": whole / simulations, "any category": single / simulations}
        for name, (whole, single) in counts.items()
    }


def redrawn(grids: dict[str, list[Floats]], seed: int, copies: int) -> list[tuple[Floats, Floats]]:
    """Pairs whose sides each take every question's answer from one of a model's three strategies."""
    generator = np.random.default_rng(seed)
    pairs = []
    for number in range(copies):
        stacked = np.stack(list(grids.values())[number % len(grids)])
        picks = generator.integers(0, len(stacked), (2, QUESTIONS))
        a, b = (stacked[pick, np.arange(QUESTIONS)] for pick in picks)
        pairs.append((a, b))
    return pairs


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_evaluated(parser)
    parser.add_argument("--simulations", type=int, default=4000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    judgements = read_judged([options.evaluated]).judgements
    runs: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        runs[judgement.subject, judgement.strategy].append(judgement)
    by_model: dict[str, list[Floats]] = defaultdict(list)
    for (subject, _), run in runs.items():
        by_model[subject].append(grid(run))
    grids = [one for found in by_model.values() for one in found]
    pairs = [(a, b) for i, a in enumerate(grids) for b in grids[:i]]
    first = next(iter(runs.values()))
    categories = slots(first).categories
    count = options.simulations
    result = {
        "coverage of one run": coverage(grids, count, 1),
        "coverage of a paired difference": coverage([a - b for a, b in pairs], count, 2),
        "A/A swapped": false_verdicts(pairs, categories, first[0], count, 3),
        "A/A redrawn": false_verdicts(redrawn(by_model, 4, 200), categories, first[0], count, 5),
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, found in result.items():
        print(f"{name}: {found}")


if __name__ == "__main__":
    main()
