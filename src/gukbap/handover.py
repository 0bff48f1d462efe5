"""What runners and the steps they start agree on: environment variables, failure files, line marks.

| variable | meaning |
| --- | --- |
| GUKBAP_WORK_DIR | folder of one run for journals and checkpoints that a resumed run goes on from |
| GUKBAP_JUDGE_CACHE | folder of judges' replies to all runs; else in the shared or the user's folder |
| GUKBAP_SHARED_DIR | folder that all runs of a cluster share: runs/<id> is a run's work folder there |
| GUKBAP_RUN_ID | the run's id, under which a tracker's parent run is found |
| MLFLOW_EXPERIMENT_NAME | the MLflow experiment |
| GUKBAP_QUIET | show no progress |
| MLFLOW_TRACKING_URI, MLFLOW_RUN_ID | where to track, or into which run |
| KFP_POD_NAME | the pod of a step, set by Kubeflow Pipelines |
| MINIO_ENDPOINT, KF_PIPELINES_ENDPOINT | the object store and the pipelines' API, as the cluster knows them |

None of them changes a result.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gukbap.errors import GukbapError, StageFailedError
from gukbap.files import read_json, write_json

WORK_DIR = "GUKBAP_WORK_DIR"
SHARED_DIR = "GUKBAP_SHARED_DIR"
JUDGE_CACHE = "GUKBAP_JUDGE_CACHE"
RUN_ID = "GUKBAP_RUN_ID"
EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
QUIET = "GUKBAP_QUIET"
TRACKING_URI = "MLFLOW_TRACKING_URI"
MLFLOW_RUN = "MLFLOW_RUN_ID"
POD_NAME = "KFP_POD_NAME"
OBJECT_STORE = "MINIO_ENDPOINT"
PIPELINES_API = "KF_PIPELINES_ENDPOINT"

#: What progress lines begin with, so that a runner can tell them from a step's other output.
LINE_PREFIX = "· "


def leave_failure(step: str, error: BaseException, work: Path) -> None:
    """Write why a step failed into the run's work folder, for its runner and for the exit step."""
    if isinstance(error, GukbapError):
        values = {
            "problem": error.problem,
            "expected": error.expected,
            "fix": error.fix,
            "exit_code": error.exit_code,
        }
    else:
        problem = f"unexpected {type(error).__name__}: {error}"
        values = {"problem": problem, "expected": None, "fix": None, "exit_code": 1}
    values |= {"step": step, "pod": os.environ.get(POD_NAME)}
    write_json(_failures(work) / f"{step}.json", values)


def leave_success(step: str, work: Path) -> None:
    """Note that a step has ended well, and take away what an earlier attempt left."""
    write_json(_successes(work) / f"{step}.json", {"step": step, "pod": os.environ.get(POD_NAME)})
    (_failures(work) / f"{step}.json").unlink(missing_ok=True)


def has_succeeded(step: str, work: Path) -> bool:
    """Whether a step of this run has ended well."""
    return (_successes(work) / f"{step}.json").exists()


def failures(work: Path) -> list[Mapping[str, Any]]:
    """What failed steps have left, the earliest first."""
    files = sorted(_failures(work).glob("*.json"), key=lambda file: (file.stat().st_mtime_ns, file.name))
    return [read_json(file) for file in files]


def clear_failures(work: Path) -> None:
    """Take away what earlier attempts left."""
    for file in _failures(work).glob("*.json"):
        file.unlink(missing_ok=True)


def first_failure(work: Path) -> StageFailedError | None:
    """The first error that a step left, with its words and exit code."""
    left = failures(work)
    if not left:
        return None
    values = left[0]
    error = StageFailedError(values["problem"], expected=values["expected"], fix=values["fix"])
    error.exit_code = int(values["exit_code"])
    return error


def _failures(work: Path) -> Path:
    return work / "failures"


def _successes(work: Path) -> Path:
    return work / "successes"
