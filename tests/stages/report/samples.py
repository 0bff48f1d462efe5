"""Made-up facts and judgements for tests of the report; the numbers mean nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from gukbap.config import Recipe
from gukbap.recipes import load_recipe
from gukbap.schemas import (
    CATEGORIES,
    STRATEGIES,
    SUBJECTS,
    Judgement,
    Message,
    OperationName,
    Row,
    Strategy,
    Subject,
)
from tests.judgements import ENGLISH, KOREAN, judgement
from tests.lineages import lineage

OPERATIONS: tuple[OperationName, ...] = (
    "constraints",
    "deepen",
    "concretize",
    "reasoning",
    "complicate",
    "breadth",
)


def recipe(*overrides: str, name: str = "smoke") -> Recipe:
    """A built-in recipe."""
    return load_recipe(name, overrides)


def judgements(
    subjects: Sequence[Subject] = SUBJECTS,
    strategies: Sequence[Strategy] = STRATEGIES,
    *,
    per_category: int = 2,
    unscored_every: int = 0,
) -> list[Judgement]:
    """Random scores; tuned ones are higher. With `unscored_every` n, each n-th has no score."""
    generator = random.Random(3)
    found = []
    for subject in subjects:
        for strategy in strategies:
            for number in range(per_category * len(CATEGORIES)):
                for turn in (1, 2):
                    absent = bool(unscored_every) and (number * 2 + turn) % unscored_every == 0
                    score = min(10.0, generator.randint(0, 7) + 3.0 * (subject == "tuned"))
                    found.append(
                        judgement(
                            number,
                            turn,
                            None if absent else score,
                            subject,
                            strategy,
                            asked=per_category * len(CATEGORIES),
                            judge="judge-model",
                            stopped=number % 3 != 0,
                            answer=KOREAN if number % 5 else ENGLISH,
                        )
                    )
    return found


def row(identity: str, instruction: str, operation: OperationName | None, parent: str | None = None) -> Row:
    """A training row."""
    return Row(
        id=identity,
        category="writing",
        messages=[
            Message(role="user", content=instruction),
            Message(
                role="assistant", content="국밥은 밥을 국에 만 음식입니다.\n```python\nprint('국밥')\n```"
            ),
        ],
        lineage=lineage(parent_id=parent, operation=operation, round=int(operation is not None)),
    )


def rows() -> list[Row]:
    """A seed and two rows of each operation that came from it, or from a row that is not there."""
    found = [row("seed-1", "국밥을 소개하는 글을 써 주세요.", None)]
    for operation in OPERATIONS:
        found.append(row(f"{operation}-b", f"{operation}: 국밥의 유래까지 담아 주세요.", operation, "gone"))
        found.append(row(f"{operation}-a", f"{operation}: 세 문단으로 써 주세요.", operation, "seed-1"))
    return found


def statement() -> dict[str, Any]:
    """What the clean stage states of its decontamination, the leaks themselves left out."""
    return {
        "decontaminated": True,
        "method": "overlap of character 5-grams and edit similarity",
        "thresholds": {"similarity": 0.7},
        "evaluations": [{"name": "offline-pack", "sha256": "e" * 64, "texts": 147}],
        "texts": 147,
        "texts_too_short": 1,
        "rows_checked": 50,
        "rows_with_a_leak": 1,
        "rows_kept": 48,
        "rows_sha256": "c" * 64,
        "sha256": "d" * 64,
    }


def statistics() -> dict[str, Any]:
    """Statistics in the shape of the stages'."""
    history: list[dict[str, float]] = [{"step": 0, "validation_loss": 2.9, "validation_full_loss": 3.3}]
    for step in range(1, 41):
        history.append({"step": step, "loss": 2.8 - 0.045 * step + 0.1 * (step % 3)})
        if step % 10 == 0:
            history.append(
                {
                    "step": step,
                    "validation_loss": 2.9 - 0.03 * step,
                    "validation_full_loss": 3.3 - 0.025 * step,
                }
            )
    return {
        "generate": {
            "rows": 48,
            "dropped": 14,
            "reasons": {"refusal": 9, "too little Hangul <b>": 5},
            "outcomes": [
                {"round": 0, "operation": None, "outcome": "kept", "count": 20},
                {"round": 1, "operation": "deepen", "outcome": "kept", "count": 28},
                {"round": 1, "operation": "deepen", "outcome": "refusal", "count": 14},
            ],
        },
        "clean": {
            "rows": 50,
            "kept": 48,
            "removed": 2,
            "removed_by_reason": {"leak": 1, "repetition": 1},
            "leaks": 1,
            "statement": statement(),
        },
        "dedup": {"rows": 48, "kept": 41, "removed": 7, "removed_by_reason": {"same response": 7}},
        "split": {"rows": 41, "train_rows": 36, "validation_rows": 5, "train_by_category": {"writing": 36}},
        "train": {"history": history, "steps": 40, "base_model": "random", "timing": {"seconds": 3.2}},
        "infer tuned default": {"answers": 12},
        "judge-tuned-default": {"judgements": 24},
    }
