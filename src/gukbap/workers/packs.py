"""Evaluation packs where a step runs: a pack in an object store is fetched first."""

from __future__ import annotations

from gukbap.benchmarks import load_questions, load_strategies
from gukbap.config import EvaluateConfig
from gukbap.errors import InputError, ModelError
from gukbap.ports import Progress
from gukbap.schemas import Message, Question, Strategy

_IN_BUCKET = "s3://"


def local_pack(reference: str, progress: Progress) -> str:
    """The pack as `open_pack` takes it: s3://bucket/prefix becomes the folder it is fetched to.

    Where the one object under the prefix is a JSON Lines file, it is that file.

    Raises:
        InputError: nothing lies there.
        StoreError: the store cannot be reached or refuses the keys.
    """
    if not reference.startswith(_IN_BUCKET):
        return reference
    from gukbap.adapters.bucket_models import download_model

    try:
        folder = download_model(reference, progress)
    except ModelError as error:
        raise InputError(
            f"nothing lies under {reference}",
            expected="the files of a pack folder under that prefix, or one JSON Lines object",
            fix="upload what `gukbap logickor import` wrote, for example with `mc cp --recursive`",
        ) from error
    lines = sorted(folder.glob("*.jsonl"))
    alone = len(lines) == 1 and len(list(folder.iterdir())) == 1
    return str(lines[0] if alone else folder)


def evaluation_inputs(
    evaluate: EvaluateConfig, progress: Progress
) -> tuple[list[Question], dict[Strategy, list[Message]]]:
    """The questions that are asked, and the messages that each prompt strategy puts before them.

    Raises:
        InputError: the pack or the strategies are missing or malformed.
        StoreError: as `local_pack`.
    """
    pack = local_pack(evaluate.pack, progress)
    return load_questions(pack, evaluate.questions_per_category), load_strategies(
        evaluate.strategies_file, pack
    )
