"""The six operations of Evol-Instruct (WizardLM, arXiv 2304.12244) and how one is drawn."""

from __future__ import annotations

import random
from typing import get_args

from gukbap.schemas import OperationName

OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)
IN_DEPTH: tuple[OperationName, ...] = tuple(name for name in OPERATIONS if name != "breadth")


def draw_operation(seed: int, row_id: str, round_number: int, breadth_share: float) -> OperationName:
    """The operation that an instruction meets in a round.

    Breadth comes with the probability `breadth_share`, each of the five in-depth operations with a
    fifth of the rest. The draw depends on the arguments alone, never on what was drawn before.
    """
    draw = random.Random(f"{seed}/{row_id}/{round_number}/operation")
    if draw.random() < breadth_share:
        return "breadth"
    return draw.choice(IN_DEPTH)
