"""How MLflow's page of an experiment looks when it is opened by our link: columns, order, charts.

MLflow keeps a shared view as the experiment's tag `mlflow.sharedViewState.KEY`, which holds the page's state
as JSON, and opens it by `?viewStateShareKey=KEY` (server/js: useSharedExperimentViewState, read in 3.10 and
3.17). It knows no default view, so the links stand in the experiment's note, `mlflow.note.content`.
"""

from __future__ import annotations

from typing import Any

from gukbap.adapters.mlflow_errors import explained
from gukbap.files import canonical_json
from gukbap.schemas import STRATEGIES

KEY = "gukbap"
_STATE_TAG = f"mlflow.sharedViewState.{KEY}"
_NOTE_TAG = "mlflow.note.content"
#: MLflow keeps which tab is shown in the address alone
_CHARTS = "&compareRunsMode=CHART"
#: by this a note of ours is told from one that a person wrote
_OURS = "Runs of gukbap, and baselines."
_CATEGORIES = ("reasoning", "math", "writing", "coding", "understanding", "grammar")


def prepare_view(client: Any, uri: str, experiment_id: str) -> str:
    """Write the view, and a note with its link unless a person has written one; repeated, it changes nothing.

    Returns:
        The view's path on the server, from `#` on.

    Raises:
        StoreError: MLflow refuses or cannot be reached.
    """
    path = f"#/experiments/{experiment_id}/runs?viewStateShareKey={KEY}"
    note = (
        f"{_OURS} Prepared view: [table]({path}), scores and gains first, and [charts]({path}{_CHARTS}) of "
        "strategies and categories. `gukbap compare --mlflow RUN RUN` prints runs side by side."
    )
    wanted = {_STATE_TAG: canonical_json(_state()), _NOTE_TAG: note}
    with explained(uri):
        tags = client.get_experiment(experiment_id).tags
        if not tags.get(_NOTE_TAG, _OURS).startswith(_OURS):
            del wanted[_NOTE_TAG]
        for key, text in wanted.items():
            if tags.get(key) != text:
                client.set_experiment_tag(experiment_id, key, text)
    return path


def _state() -> dict[str, Any]:
    """The page's state, of MLflow's ExperimentPageUIState and ExperimentPageSearchFacetsState."""
    columns = [
        *(f"metrics.`score.{strategy}`" for strategy in STRATEGIES),
        *(f"metrics.`gain.{STRATEGIES[0]}{part}`" for part in ("", ".low", ".high")),
        *(f"metrics.`language.tuned.{STRATEGIES[0]}`", "metrics.`train.validation_loss`"),
        *("metrics.`data.train_rows`", "tags.`gukbap.recipe`", "tags.`gukbap.verdict`"),
        *("tags.`gukbap.registered_model`", "tags.`gukbap.baseline`", "tags.`gukbap.health`"),
    ]
    scores = [f"score.{strategy}" for strategy in STRATEGIES]
    categories = [f"score.{name}.{STRATEGIES[0]}" for name in _CATEGORIES]
    sections = {"scores": ("Scores by strategy", scores), "categories": ("Categories", categories)}
    return {
        "selectedColumns": columns,
        "columnOrder": columns,
        "orderByKey": f"metrics.`score.{STRATEGIES[0]}`",
        "orderByAsc": False,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunSections": [
            {"uuid": key, "name": title, "display": True, "isReordered": True}
            for key, (title, _) in sections.items()
        ],
        "compareRunCharts": [
            {
                "uuid": f"{key}-{place}",
                "type": "BAR",
                "metricKey": metric,
                "displayName": metric,
                "runsCountToCompare": 20,
                "metricSectionId": key,
                "deleted": False,
                "isGenerated": False,
            }
            for key, (_, metrics) in sections.items()
            for place, metric in enumerate(metrics)
        ],
        "isAccordionReordered": True,
    }
