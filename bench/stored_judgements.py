"""Where benchmarks find the stored judgements of LogicKor, which are not part of the project."""

from __future__ import annotations

import argparse
from pathlib import Path

_DEFAULT = Path(__file__).parents[2] / "shared/data/logickor/evaluated"


def add_evaluated(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option `--evaluated`, a folder that must be there."""
    parser.add_argument(
        "--evaluated",
        type=_folder,
        default=str(_DEFAULT),
        help="LogicKor's evaluated files; %(default)s where absent",
    )


def _folder(name: str) -> Path:
    path = Path(name)
    if not path.exists():
        raise argparse.ArgumentTypeError(
            f"there is no {path}; expected a folder of LogicKor's evaluated files, as its repository keeps "
            "them under evaluated/"
        )
    return path
