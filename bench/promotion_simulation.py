"""How often the promotion gate is wrong, and what it can see, by the noise of the stored judgements.

    python bench/promotion_simulation.py [--evaluated ../shared/data/logickor/evaluated] [--pairs 1000]

A pair is a champion and a challenger that answer the same 42 questions, seven of each category, drawn with
replacement from the stored ones. Two kinds of noise are put on the score of every turn:

- answers: a model's answer to a question is that of one of its three stored prompt strategies, drawn for
  each side by itself: how much a model wavers when it answers otherwise;
- judge: one verdict changes with so large a chance that two verdicts on one answer differ as often as equal
  answers in LogicKor's stored files do (25 of 99 turns 1 and 19 of 41 turns 2). By how much is assumed: 1 to
  10 points up or down, a change of m points with a chance proportional to 1/m. With k verdicts a turn's
  score is their mean.

A/A: both sides are one model. A/B mixed: the challenger answers a share of the questions as a better stored
model does, the share that makes the mean gain the wanted one; so gains differ from question to question as
they do between real models. A/B even: every turn of the challenger is better by the same, up to 10 points.
Models that do not keep to the language (the untuned base) take no part: the guard rail is right to stop them.

The gate is that of `gukbap.stages.promote.decide` with the guard rails on languages and categories,
vectorised over pairs; that both agree is checked for some pairs of each scenario. The peer is what a table
invites to: promote whoever has the higher overall.

Last come the stored steps themselves through `decide`: base to Gukbap is to be promoted, 0-shot to 1-shot
to be held.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.stored_judgements import add_evaluated
from gukbap.benchmarks.judged import read_judged
from gukbap.config import PromoteConfig, PromoteSettings
from gukbap.language import audit
from gukbap.schemas import CATEGORIES, STRATEGIES, Judgement
from gukbap.stages.promote import Conditions, Contender, Decision, RunEvidence, decide
from gukbap.stages.scores.resampling import LEVEL, RESAMPLES, Floats

GUKBAP, BASE = "HumanF-MarkrAI/Gukbap-Mistral-7B", "mistralai/mistral-7b-instruct-v0.2"
#: of two verdicts on one answer, the share that differ (method facts), in turn 1 and turn 2
DIFFERING = np.array([25 / 99, 19 / 41])
PER_CATEGORY, SEED, CHUNK, CHECKED = 7, 42, 50, 2
QUESTIONS = PER_CATEGORY * len(CATEGORIES)
#: name, mean gain, whether every question gains the same
SCENARIOS = (
    ("A/A", 0.0, False),
    ("A/B mixed +0.5", 0.5, False),
    ("A/B mixed +1.0", 1.0, False),
    ("A/B mixed +1.5", 1.5, False),
    ("A/B even +1.0", 1.0, True),
)
#: a challenger is mixed with one that is better by at least this on the average
LEAST_BETTER = 1.0
#: a champion above this has no room for the same gain everywhere
MOST_FOR_EVEN = 8.0
#: how often the gain that is aimed at is corrected by what came of it
AIMS = 3


@dataclass(frozen=True)
class Stored:
    """What is stored of some models: scores and language compliance, [models, strategies, questions, 2]."""

    models: list[str]
    scores: Floats
    complies: Floats
    #: [questions], sorted so that each category's stand together
    categories: list[str]


@dataclass(frozen=True)
class Pairs:
    """Champions and challengers, [pairs, QUESTIONS, 2] each."""

    champion: Floats
    challenger: Floats
    champion_complies: Floats
    challenger_complies: Floats


def stored(judgements: Sequence[Judgement]) -> Stored:
    """The grids of all models that are stored under all strategies."""
    cells = {(j.subject, j.strategy, *j.slot): j for j in judgements}
    category = {j.question_id: j.category for j in judgements}
    questions = sorted(category, key=lambda q: (CATEGORIES.index(category[q]), q))
    models = [name for name in dict.fromkeys(j.subject for j in judgements) if name != BASE]
    grid = [[[[cells[m, s, q, t] for t in (1, 2)] for q in questions] for s in STRATEGIES] for m in models]
    scores = np.array([[[[j.score for j in q] for q in s] for s in m] for m in grid], dtype=float)
    complies = np.array(
        [[[[audit(j.question, j.answer).complies for j in q] for q in s] for s in m] for m in grid],
        dtype=float,
    )
    return Stored(models, scores, complies, [category[question] for question in questions])


def judged_again(scores: Floats, verdicts: int, generator: np.random.Generator) -> Floats:
    """Mean of so many verdicts on each turn."""
    sizes = np.arange(1, 11)
    chance = 1 - np.sqrt(1 - DIFFERING)
    total = np.zeros_like(scores)
    for _ in range(verdicts):
        moved = generator.random(scores.shape) < chance
        by = generator.choice(sizes, size=scores.shape, p=(1 / sizes) / (1 / sizes).sum())
        sign = generator.choice([-1, 1], size=scores.shape)
        total += np.clip(scores + moved * by * sign, 0, 10)
    return total / verdicts


def drawn_pairs(of: Stored, gain: float, even: bool, count: int, verdicts: int, seed: int) -> Pairs:
    """Champions and challengers with a mean gain."""
    generator = np.random.default_rng(seed)
    means = of.scores.mean(axis=(1, 2, 3))
    models = range(len(means))
    better = [(a, b) for a in models for b in models if means[b] - means[a] >= max(1.2 * gain, LEAST_BETTER)]
    known = better if gain and not even else [(a, a) for a in models if not even or means[a] <= MOST_FOR_EVEN]
    chosen = np.array(known)[generator.integers(0, len(known), count)]
    strata = [np.flatnonzero([name == one for name in of.categories]) for one in CATEGORIES]
    rows = np.concatenate([generator.choice(part, (count, PER_CATEGORY)) for part in strata], axis=1)
    first, second = chosen[:, :1], chosen[:, 1:]
    share = 0.0 if even else gain / np.maximum(means[second] - means[first], 1e-9)
    takes = np.where(generator.random((count, QUESTIONS)) < share, second, first)
    styles = generator.integers(0, len(STRATEGIES), (2, count, QUESTIONS))
    champion, challenger = ((first, styles[0], rows), (takes, styles[1], rows))
    lifted = np.clip(of.scores[challenger] + (gain if even else 0.0), 0, 10)
    return Pairs(
        judged_again(of.scores[champion], verdicts, generator),
        judged_again(lifted, verdicts, generator),
        of.complies[champion],
        of.complies[challenger],
    )


def bounds(differences: Floats) -> tuple[Floats, Floats]:
    """Both ends of `resampling.interval` for each of many complete grids, [pairs, questions, 2]."""
    count = differences.shape[1]
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    means = draws.astype(float) @ differences.mean(axis=2).T / count
    t = stats.t.ppf((1 + LEVEL) / 2, count - 1)
    tail = 100 * stats.norm.cdf(-np.sqrt(count / (count - 1)) * t)
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return low, high


def worse_category(differences: Floats) -> NDArray[np.bool_]:
    """Whether any category is significantly worse, as `resampling.step_down_p` and its interval have it."""
    signs = np.random.default_rng(SEED).choice([1.0, -1.0], size=(RESAMPLES, QUESTIONS))
    signs[0] = 1.0
    sums = differences.sum(axis=2).reshape(len(differences), len(CATEGORIES), PER_CATEGORY)
    flips = np.einsum("rcq,pcq->prc", signs.reshape(RESAMPLES, len(CATEGORIES), -1), sums, optimize=True)
    flipped, observed = np.abs(flips), np.abs(sums.sum(axis=2))
    order = observed.argsort(axis=1)
    sorted_flips = np.take_along_axis(flipped, order[:, None, :], axis=2)
    highest = np.maximum.accumulate(sorted_flips, axis=2)
    ranked = np.take_along_axis(observed, order, axis=1)
    p = (highest >= ranked[:, None, :] - 1e-9).mean(axis=1)
    p = np.maximum.accumulate(p[:, ::-1], axis=1)[:, ::-1]
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, p, axis=1)
    inside = differences.reshape(len(differences), len(CATEGORIES), PER_CATEGORY, 2)
    below = np.stack([bounds(inside[:, c])[1] < 0 for c in range(len(CATEGORIES))], axis=1)
    found = ((corrected <= 1 - LEVEL) & below & (sums.sum(axis=2) < 0)).any(axis=1)
    return np.asarray(found, dtype=np.bool_)


def gate(pairs: Pairs, config: PromoteConfig) -> dict[str, NDArray[np.bool_]]:
    """Which challengers the interval alone promotes, and which the guard rails let pass."""
    low, worse, drop = [], [], []
    for start in range(0, len(pairs.champion), CHUNK):
        part = slice(start, start + CHUNK)
        differences = pairs.challenger[part] - pairs.champion[part]
        low.append(bounds(differences)[0])
        worse.append(worse_category(differences))
        drop.append(bounds(pairs.challenger_complies[part] - pairs.champion_complies[part])[1])
    floor = pairs.challenger_complies.mean(axis=(1, 2)) >= config.min_language_compliance
    by_interval = np.concatenate(low) > config.min_gain
    categories, language = ~np.concatenate(worse), floor & (np.concatenate(drop) >= 0)
    return {
        "interval": by_interval,
        "gate": by_interval & categories & language,
        "categories": categories,
        "language": language,
        "peer": pairs.challenger.mean(axis=(1, 2)) > pairs.champion.mean(axis=(1, 2)),
    }


def by_project(pairs: Pairs, number: int, of: Stored, settings: PromoteSettings) -> Decision:
    """One pair through the project's own code; compliance is an answer in Korean or in English."""
    category = [name for name in CATEGORIES for _ in range(PER_CATEGORY)]

    def side(name: str, scores: Floats, complies: Floats) -> Contender:
        judgements = [
            Judgement(
                question_id=question,
                category=category[question],
                subject=name,
                strategy="default",
                turn=1 if turn == 0 else 2,
                asked=QUESTIONS,
                judge="judge",
                score=float(scores[question, turn]),
                comment="",
                raw_reply="",
                question="국밥이 무엇인가요?",
                answer="밥을 국에 만 음식입니다."
                if complies[question, turn]
                else "It is rice in a bowl of soup.",
                stopped=True,
            )
            for question in range(QUESTIONS)
            for turn in range(2)
        ]
        return Contender(name, judgements, None)

    return decide(
        settings,
        side("tuned", pairs.challenger[number], pairs.challenger_complies[number]),
        side("base", pairs.champion[number], pairs.champion_complies[number]),
        RunEvidence(),
        Conditions(scripted=False, judge_is_teacher=False),
    )


def scenario(
    of: Stored, gain: float, even: bool, verdicts: int, count: int, settings: PromoteSettings
) -> dict[str, float]:
    """Shares of promoted challengers, and of those that each guard rail would let pass."""
    seed, aimed = 1000 + verdicts + int(100 * gain), gain
    pairs = drawn_pairs(of, aimed, even, count, verdicts, seed)
    for _ in range(AIMS if gain else 0):
        # Noise and gains end at 0 and 10 points, so that less comes of them than was aimed at.
        aimed *= gain / float((pairs.challenger - pairs.champion).mean())
        pairs = drawn_pairs(of, aimed, even, count, verdicts, seed)
    found = gate(pairs, settings.promote)
    for number in range(min(CHECKED, count)):
        decision = by_project(pairs, number, of, settings)
        if (decision.verdict == "promoted") != bool(found["gate"][number]):
            raise AssertionError(f"pair {number}: the vectorised gate and decide disagree: {decision}")
    measured = float((pairs.challenger - pairs.champion).mean())
    return {"measured gain": measured, **{name: float(passed.mean()) for name, passed in found.items()}}


def stored_steps(judgements: Sequence[Judgement], settings: PromoteSettings) -> dict[str, Decision]:
    """The two steps of the card, with the stored judgements as they are."""
    runs: Mapping[tuple[str, str], list[Judgement]] = defaultdict(list)
    for one in judgements:
        runs[one.subject, one.strategy].append(one)
    conditions = Conditions(scripted=False, judge_is_teacher=False)

    def step(tuned: tuple[str, str], other: tuple[str, str]) -> Decision:
        sides = [Contender(" ".join(key), runs[key], None) for key in (tuned, other)]
        return decide(settings, sides[0], sides[1], RunEvidence(), conditions)

    return {
        "base to Gukbap": step((GUKBAP, "default"), (BASE, "default")),
        "0-shot to 1-shot": step((GUKBAP, "1-shot"), (GUKBAP, "default")),
    }


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_evaluated(parser)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--verdicts", type=int, nargs="*", default=[1, 3], help="k: verdicts on a turn")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    judgements = read_judged([options.evaluated]).judgements
    settings = PromoteSettings(seed=SEED, registered_model="model", promote=PromoteConfig(), scripted=False)
    of = stored(judgements)
    found = {
        f"{name}, k={verdicts}": scenario(of, gain, even, verdicts, options.pairs, settings)
        for name, gain, even in SCENARIOS
        for verdicts in options.verdicts
    }
    steps = stored_steps(judgements, settings)
    if options.json:
        document = {"scenarios": found, "steps": {name: one.model_dump() for name, one in steps.items()}}
        print(json.dumps(document, ensure_ascii=False))
        return
    print(f"{options.pairs} pairs each; shares of promoted challengers (categories, language: let pass)")
    for name, shares in found.items():
        print(f"{name:20} " + "  ".join(f"{key} {value:.3f}" for key, value in shares.items()))
    for name, decision in steps.items():
        print(f"{name}: {decision.verdict}; {'; '.join(decision.reasons)}")
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
