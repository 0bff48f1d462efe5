"""The prepared view of an experiment: written once, and a person's note stays."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_view import prepare_view


@pytest.fixture
def client(uri: str) -> Any:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_the_note_leads_to_the_view(client: Any, uri: str) -> None:
    experiment = client.create_experiment(f"view {uuid.uuid4()}")
    path = prepare_view(client, uri, experiment)
    tags = client.get_experiment(experiment).tags
    assert path == f"#/experiments/{experiment}/runs?viewStateShareKey=gukbap"
    assert path in tags["mlflow.note.content"]
    state = json.loads(tags["mlflow.sharedViewState.gukbap"])
    assert state["columnOrder"][0] == state["orderByKey"] == "metrics.`score.default`"
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections
    assert prepare_view(client, uri, experiment) == path
    assert client.get_experiment(experiment).tags == tags


def test_a_note_that_a_person_wrote_stays(client: Any, uri: str) -> None:
    experiment = client.create_experiment(f"view {uuid.uuid4()}")
    client.set_experiment_tag(experiment, "mlflow.note.content", "ours")
    prepare_view(client, uri, experiment)
    tags = client.get_experiment(experiment).tags
    assert tags["mlflow.note.content"] == "ours"
    assert "mlflow.sharedViewState.gukbap" in tags
