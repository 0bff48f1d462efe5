"""What runners and the steps they start agree on: environment variables, error files, line marks.

| variable | meaning |
| --- | --- |
| GUKBAP_WORK_DIR | folder for journals and checkpoints that a resumed run goes on from |
| GUKBAP_RUN_ID | the run's id, under which a tracker's parent run is found |
| MLFLOW_EXPERIMENT_NAME | the MLflow experiment |
| GUKBAP_QUIET | show no progress |
| MLFLOW_TRACKING_URI, MLFLOW_RUN_ID | where to track, or into which run |

None of them changes a result.
"""

from __future__ import annotations

from pathlib import Path

from gukbap.errors import GukbapError, StageFailedError
from gukbap.files import read_json, write_json

WORK_DIR = "GUKBAP_WORK_DIR"
RUN_ID = "GUKBAP_RUN_ID"
EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
QUIET = "GUKBAP_QUIET"
TRACKING_URI = "MLFLOW_TRACKING_URI"

#: What progress lines begin with, so that a runner can tell them from a step's other output.
LINE_PREFIX = "· "


def leave_error(error: GukbapError, work: Path) -> None:
    """Write an error's words into the scratch folder for a runner in another process."""
    values = {
        "problem": error.problem,
        "expected": error.expected,
        "fix": error.fix,
        "exit_code": error.exit_code,
    }
    write_json(_error_file(work), values)


def take_error(work: Path) -> StageFailedError | None:
    """The error that a step left, with its words and exit code; it is taken away."""
    file = _error_file(work)
    if not file.exists():
        return None
    values = read_json(file)
    file.unlink()
    error = StageFailedError(values["problem"], expected=values["expected"], fix=values["fix"])
    error.exit_code = int(values["exit_code"])
    return error


def _error_file(work: Path) -> Path:
    return work / "error.json"
