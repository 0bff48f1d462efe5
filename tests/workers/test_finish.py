from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_tracker import parent_from_environment
from gukbap.errors import EndpointError, GukbapError
from gukbap.handover import RUN_ID, SHARED_DIR, TRACKING_URI, WORK_DIR, leave_failure, leave_success
from gukbap.recipes import load_recipe
from gukbap.workers.finish import run_finish
from tests.tracking_files import tracking_file

SMOKE = load_recipe("smoke", ["cluster.ui_url=https://kubeflow.example"])


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A pod's environment: a claim, a run's id, a tracking store; gives the run's work folder."""
    monkeypatch.delenv(WORK_DIR, raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv(SHARED_DIR, str(tmp_path / "claim"))
    monkeypatch.setenv(RUN_ID, "run-1")
    monkeypatch.setenv(TRACKING_URI, tracking_file(tmp_path / "mlflow.sqlite3"))
    monkeypatch.setenv("KFP_POD_NAME", "pod-of-the-step")
    folder = tmp_path / "claim" / "runs" / "run-1"
    (folder / "generate-1").mkdir(parents=True)
    return folder


def tracked(tmp_path: Path) -> tuple[str, dict[str, str]]:
    """The run's status and tags."""
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.sqlite3'}")
    [experiment] = client.search_experiments(filter_string="name = 'gukbap'")
    [run] = client.search_runs([experiment.experiment_id], "tags.`kfp.run_id` = 'run-1'")
    return run.info.status, run.data.tags


def test_a_good_end_closes_the_run_and_clears_what_it_alone_needed(work: Path, tmp_path: Path) -> None:
    parent_from_environment(experiment="gukbap")
    outcome = run_finish(SMOKE, state="SUCCEEDED", message="", summary=tmp_path / "end.md")
    assert outcome.metrics == {"failed_steps": 0.0, "succeeded": 1.0}
    status, tags = tracked(tmp_path)
    assert status == "FINISHED"
    assert "gukbap.failure" not in tags
    assert not work.exists()
    assert "https://kubeflow.example/#/runs/details/run-1" in (tmp_path / "end.md").read_text()


def test_a_failure_is_told_with_its_words_its_pod_and_its_log(work: Path, tmp_path: Path) -> None:
    leave_failure("generate", EndpointError("the teacher does not answer", fix="start it"), work)
    run_finish(SMOKE, state="FAILED", message="step failed", summary=tmp_path / "end.md")
    status, tags = tracked(tmp_path)
    assert status == "FAILED"
    assert tags["gukbap.failed_steps"] == "generate"
    assert tags["gukbap.failure"] == "the teacher does not answer"
    assert tags["gukbap.logs"] == "gukbap logs run-1 generate"
    told = (tmp_path / "end.md").read_text()
    for words in ("## generate", "next: start it", "pod: pod-of-the-step", "gukbap logs run-1 generate"):
        assert words in told
    assert (work / "generate-1").exists()  # the run can be tried again


@pytest.mark.parametrize(
    ("state", "status"),
    [("COMPLETE", "FINISHED"), ("CACHED", "FINISHED"), ("CANCELED", "KILLED"), ("RUNNING", "FAILED")],
)
def test_every_other_end_has_its_status(work: Path, tmp_path: Path, state: str, status: str) -> None:
    run_finish(SMOKE, state=state, message="", summary=tmp_path / "end.md")
    assert tracked(tmp_path)[0] == status


def test_a_state_that_lags_behind_is_settled_by_the_last_steps_own_note(work: Path, tmp_path: Path) -> None:
    leave_success("promote", work)
    run_finish(SMOKE, state="RUNNING", message="", summary=tmp_path / "end.md")
    assert tracked(tmp_path)[0] == "FINISHED"


def test_finishing_twice_is_harmless(work: Path, tmp_path: Path) -> None:
    for _ in range(2):
        run_finish(SMOKE, state="SUCCEEDED", message="", summary=tmp_path / "end.md")
    assert tracked(tmp_path)[0] == "FINISHED"


def test_with_the_tracking_server_away_the_end_is_told_and_another_try_ends_it(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_success("promote", work)
    with monkeypatch.context() as away:
        away.setenv(TRACKING_URI, "http://127.0.0.1:9")
        away.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(GukbapError, match="tracking: "):
            run_finish(SMOKE, state="RUNNING", message="", summary=tmp_path / "end.md")
    assert "finished" in (tmp_path / "end.md").read_text()
    assert work.exists()
    run_finish(SMOKE, state="RUNNING", message="", summary=tmp_path / "end.md")
    assert tracked(tmp_path)[0] == "FINISHED"
    assert not work.exists()
