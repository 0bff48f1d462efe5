"""A run beside the last one, in a real SQLite store of MLflow; the judge is the scripted one, a double."""

from __future__ import annotations

from pathlib import Path

import pytest

from gukbap.adapters.mlflow_tracker import MlflowTracker, open_run
from gukbap.recipes import load_recipe
from gukbap.stages.health import JUDGE_DRIFT, Health
from gukbap.workers.health import find_health, record_health
from tests.tracking_files import tracking_file
from tests.workers.test_rejudge import stored


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GUKBAP_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("GUKBAP_QUIET", "1")
    return tracking_file(tmp_path / "mlflow.db")


def ended(
    uri: str, name: str, *, recipe: str = "smoke", score: float = 6.0, answers: int = 0
) -> Health | None:
    """The comparison of a run that ends after it."""
    parent = open_run("gukbap", name, name, uri)
    parent.tags({"gukbap.recipe": recipe})
    parent.metrics({"score.default": score})
    chosen = load_recipe("smoke", (f"health.judge_answers={answers}",))
    found = find_health(chosen, parent, {"score.default": score}, stored())
    if found:
        record_health(parent, found)
    parent.finish()
    return found


def tags(uri: str, name: str) -> str:
    parent = open_run("gukbap", name, name, uri)
    assert isinstance(parent, MlflowTracker)
    return str(parent.client.get_run(parent.run_id).data.tags["gukbap.health"])


def test_a_run_is_compared_with_the_last_finished_one_of_its_recipe(uri: str) -> None:
    assert ended(uri, "first") is None
    ended(uri, "another", recipe="another", score=1.0)
    open_run("gukbap", "still running", "still running", uri).tags({"gukbap.recipe": "smoke"})
    second, third = ended(uri, "second", score=6.5), ended(uri, "third", score=4.0)
    assert second is not None and third is not None
    assert (second.last, [one.name for one in second.flagged]) == ("first", [])
    assert (third.last, [one.name for one in third.flagged]) == ("second", ["score.default"])
    assert tags(uri, "second") == "steady"
    assert tags(uri, "third") == "changed by a step: score.default"


def test_the_judge_is_held_against_the_first_scores_of_a_fixed_set(uri: str) -> None:
    """The stored answers have 1.0 from a judge that is gone; the scripted one gives other scores."""
    runs = [ended(uri, name, answers=2) for name in ("first", "second", "third")]
    assert runs[0] is None
    drifts = [next(one for one in run.drifts if one.name == JUDGE_DRIFT) for run in runs if run]
    assert [one.before for one in drifts] == [1.0, 1.0]
    assert drifts[0].now == drifts[1].now != 1.0
    assert all(one.flagged for one in drifts)
