"""The train step on a TrainJob as a KFP component: what is compiled, and what its executor hands over.

(No postponed annotations in this file: KFP reads a pipeline's as values.)
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl
from kfp.dsl.executor import Executor

from components.train_job import train_job
from gukbap.adapters.kubernetes_cluster import KubernetesCluster
from gukbap.config import ClusterConfig, settings_text
from gukbap.files import write_jsonl
from gukbap.workers import train_job as worker
from tests.kubernetes_server import NAMESPACE, contract_cluster
from tests.stages.train.examples import rows, settings
from tests.workers.train_jobs import leave_result, on_cluster


def compiled(folder: Path) -> dict[str, Any]:
    """A pipeline of the one step, with resources set on it, as KFP compiles it."""

    @dsl.pipeline(name="only-train")  # type: ignore[untyped-decorator]
    def pipeline() -> None:
        data = dsl.importer(artifact_uri="s3://bucket/rows", artifact_class=dsl.Dataset)
        task = train_job(
            settings="{}",
            cluster="{}",
            image="registry/gukbap-train:0.1.0",
            train_rows=data.output,
            validation_rows=data.output,
        )
        task.set_memory_limit("256Gi").set_cpu_limit("32")
        task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit("4")
        task.set_env_variable("GUKBAP_SHARED_DIR", "/gukbap-work")

    file = folder / "pipeline.yaml"
    compiler.Compiler().compile(pipeline, str(file))
    spec: dict[str, Any] = yaml.safe_load(file.read_text())
    return spec


def test_resources_go_to_the_nodes_and_variables_and_volumes_to_both(tmp_path: Path) -> None:
    component = compiled(tmp_path)["components"]["comp-train-job"]
    parameters = component["inputDefinitions"]["parameters"]
    assert parameters["task_config"]["parameterType"] == "TASK_CONFIG"
    passed = {one["field"]: one.get("applyToTask", False) for one in component["taskConfigPassthroughs"]}
    assert passed == {
        "RESOURCES": False,
        "KUBERNETES_NODE_SELECTOR": False,
        "KUBERNETES_TOLERATIONS": False,
        "KUBERNETES_AFFINITY": False,
        "ENV": True,
        "KUBERNETES_VOLUMES": True,
    }


def test_kfps_executor_hands_the_task_config_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contract_cluster() as server:
        step = on_cluster(monkeypatch, server, tmp_path)
        cluster = KubernetesCluster(server.client, NAMESPACE)
        monkeypatch.setattr(worker, "open_cluster", lambda: cluster)
        made: list[dict[str, Any]] = []

        def controller(seen: dict[str, Any]) -> None:
            made.append(seen)
            leave_result(step.job_folder())

        server.on_read = controller
        outputs = _execute(tmp_path)
    trainer = made[0]["spec"]["trainer"]
    assert trainer["resourcesPerNode"] == {"limits": {"memory": "2Gi", "cpu": "2"}}
    assert {"name": "EXTRA", "value": "1"} in trainer["env"]
    (patch,) = made[0]["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "a"}
    assert {"name": "d", "mountPath": "/d"} in pod["containers"][0]["volumeMounts"]
    assert (tmp_path / "model" / "config.json").read_text() == "{}"
    model = outputs["artifacts"]["model"]["artifacts"][0]
    assert outputs["parameterValues"]["model_sha256"] == model["metadata"]["sha256"]
    metrics = outputs["artifacts"]["metrics"]["artifacts"][0]["metadata"]
    assert metrics["validation_loss"] == 0.5


def _execute(folder: Path) -> dict[str, Any]:
    """Run the component's body as KFP's executor does in the step's pod."""
    for name, count in (("train_rows", 12), ("validation_rows", 3)):
        write_jsonl(folder / name, rows(count))
    # As the backend's driver writes it (backend/src/v2/driver): camel case, absent parts null.
    config = {
        "affinity": None,
        "tolerations": None,
        "nodeSelector": {"pool": "a"},
        "env": [{"name": "EXTRA", "value": "1"}],
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "d"}}],
        "volumeMounts": [{"name": "d", "mountPath": "/d"}],
        "resources": {"limits": {"memory": "2Gi", "cpu": "2"}},
    }
    cluster = ClusterConfig(work_claim="work", nodes=2)
    parameters = {
        "settings": settings_text(settings()),
        "cluster": settings_text(cluster),
        "image": "registry/gukbap-train:0.1.0",
        "task_config": config,
    }
    kinds = {"train_rows": "Dataset", "validation_rows": "Dataset"}
    out = {"model": "Model", "statistics": "Artifact", "metrics": "Metrics"}
    file = folder / "output.json"
    executor_input = {
        "inputs": {"parameterValues": parameters, "artifacts": _artifacts(folder, kinds)},
        "outputs": {
            "artifacts": _artifacts(folder, out),
            "parameters": {
                name: {"outputFile": str(folder / name)} for name in ("model_uri", "model_sha256")
            },
            "outputFile": str(file),
        },
    }
    Executor(executor_input=executor_input, function_to_execute=train_job.python_func).execute()
    written: dict[str, Any] = json.loads(file.read_text())
    return written


def _artifacts(folder: Path, kinds: dict[str, str]) -> dict[str, Any]:
    return {
        name: {
            "artifacts": [
                {
                    "name": name,
                    "type": {"schemaTitle": f"system.{kind}"},
                    "uri": str(folder / name),
                    "metadata": {},
                }
            ]
        }
        for name, kind in kinds.items()
    }
