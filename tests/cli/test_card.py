"""`gukbap card` on the folder of a run that is not finished, and of none."""

from pathlib import Path

import pytest

from gukbap.cli.card import card_of
from gukbap.errors import InputError, UsageError
from gukbap.recipes import load_recipe
from gukbap.runners.run_folder import RunFolder


def test_an_unfinished_run_is_told_with_what_it_lacks_and_how_to_go_on(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, load_recipe("smoke", ()), "half")
    with pytest.raises(InputError) as raised:
        card_of(folder)
    assert "statistics/train.json" in str(raised.value)
    assert "gukbap run --resume half" in str(raised.value)


def test_a_run_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        RunFolder.open(tmp_path, "nowhere")
