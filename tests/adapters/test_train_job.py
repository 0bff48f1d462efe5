"""The TrainJob's manifest: every setting in its place, as Kubeflow Trainer's own models read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob

from gukbap.adapters.kubernetes_cluster import Owner
from gukbap.adapters.train_job import GRACE_SECONDS, Place, train_job_manifest
from gukbap.adapters.train_job_pods import PodSettings, pod_settings
from gukbap.config import IMAGE_USER, Recipe
from gukbap.errors import ConfigError
from gukbap.recipes import load_recipe

RUN = "3f1c9e6a-7c2b-4f0e-9d0a-0d8a2f7f1b11"
SHARED = Path("/shared")
IMAGE = "registry/gukbap-train:0.1.0"
OVERRIDES = ["cluster.trainer=trainjob", "cluster.nodes=2"]


def recipe(*overrides: str) -> Recipe:
    """The recipe of the model card, over two nodes."""
    return load_recipe("gukbap-mistral-7b", [*OVERRIDES, *overrides])


def place(**chosen: Any) -> Place:
    """Where the TrainJob belongs."""
    job = SHARED / "runs" / RUN / "train-0" / "job"
    return Place("gukbap-train-0", RUN, job_folder=job, shared_folder=SHARED, **chosen)


def manifest(*overrides: str, pods: PodSettings | None = None, **chosen: Any) -> dict[str, Any]:
    there = recipe(*overrides)
    return train_job_manifest(there.train_settings(), there.cluster, place(**chosen), image=IMAGE, pods=pods)


def node(made: dict[str, Any]) -> dict[str, Any]:
    """The pod template patch of the training nodes."""
    (patch,) = made["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert job["name"] == "node"
    template: dict[str, Any] = job["template"]["spec"]["template"]
    return template


def environment(made: dict[str, Any]) -> dict[str, Any]:
    listed = made["spec"]["trainer"]["env"]
    values = {one["name"]: one.get("value", one.get("valueFrom")) for one in listed}
    assert len(values) == len(listed), "the API server refuses a name twice"
    return values


def test_the_trainer_gets_what_the_recipe_says() -> None:
    made = manifest()
    assert (made["apiVersion"], made["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainJob")
    assert made["metadata"]["name"] == "gukbap-train-0"
    spec = made["spec"]
    runtime = {"apiGroup": "trainer.kubeflow.org", "kind": "ClusterTrainingRuntime"}
    assert spec["runtimeRef"] == {**runtime, "name": "torch-distributed"}
    assert spec["activeDeadlineSeconds"] == 172800
    trainer = spec["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"], trainer["image"]) == (2, 4, IMAGE)
    assert trainer["command"] == ["python", "-m", "gukbap.workers.train_node"]
    assert trainer["args"] == [f"/shared/runs/{RUN}/train-0/job"]
    asked = {"cpu": "32", "memory": "256Gi"}
    assert trainer["resourcesPerNode"] == {"limits": {**asked, "nvidia.com/gpu": "4"}, "requests": asked}
    assert environment(made) == {
        "GUKBAP_CACHE": "/shared/cache/gukbap",
        "GUKBAP_RUN_ID": RUN,
        "GUKBAP_SHARED_DIR": "/shared",
        "HF_HOME": "/shared/cache/huggingface",
        "PYTHONUNBUFFERED": "1",
    }


def test_the_nodes_pods_get_what_the_recipe_says() -> None:
    made = manifest("cluster.image_pull_secret=registry", service_account="pipeline-runner")
    pod = node(made)["spec"]
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["serviceAccountName"] == "pipeline-runner"
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": IMAGE_USER,
        "runAsGroup": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["terminationGracePeriodSeconds"] == GRACE_SECONDS
    assert pod["volumes"] == [
        {"name": "gukbap-work", "persistentVolumeClaim": {"claimName": "gukbap-work"}},
        {"name": "gukbap-shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Gi"}},
    ]
    (container,) = pod["containers"]
    assert container == {
        "name": "node",
        "volumeMounts": [
            {"name": "gukbap-work", "mountPath": "/shared"},
            {"name": "gukbap-shm", "mountPath": "/dev/shm"},
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def test_the_run_is_written_on_everything_that_belongs_to_it() -> None:
    made = manifest()
    labels = {"gukbap.dev/run": RUN, "gukbap.dev/step": "train", "gukbap.dev/train-job": "gukbap-train-0"}
    (patch,) = made["spec"]["runtimePatches"]
    assert made["metadata"]["labels"] == labels
    assert patch["trainingRuntimeSpec"]["template"]["metadata"]["labels"] == labels
    assert node(made)["metadata"]["labels"] == {**labels, "sidecar.istio.io/inject": "false"}
    assert "/" in patch["manager"], "Trainer's webhook wants a name with a domain"


def test_the_workflow_owns_the_train_job() -> None:
    made = manifest(owner=Owner("argoproj.io/v1alpha1", "Workflow", "gukbap-x7k2p", "u-1"))
    assert made["metadata"]["ownerReferences"] == [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "gukbap-x7k2p", "uid": "u-1"}
    ]


@pytest.mark.parametrize(
    "made", [manifest(), manifest(service_account="a", owner=Owner("v1", "Pod", "p", "u"))]
)
def test_trainers_own_models_read_it_back_whole(made: dict[str, Any]) -> None:
    read = TrainerV1alpha1TrainJob.from_dict(made)
    assert read is not None and read.to_dict() == made


def test_what_trainer_checks_when_it_takes_a_train_job() -> None:
    """Its CRD and webhook: RFC 1035 name, no variables of torchrun's, none on the node's patch."""
    made = manifest(pods=pod_settings({"env": [{"name": "PET_NNODES", "value": "9"}]}))
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", made["metadata"]["name"])
    assert not any(name.startswith("PET_") for name in environment(made))
    assert "env" not in node(made)["spec"]["containers"][0]
    names = [volume["name"] for volume in node(made)["spec"]["volumes"]]
    assert len(set(names)) == len(names)


#: As Kubeflow Pipelines' driver fills a dsl.TaskConfig in.
TASK_CONFIG: dict[str, Any] = {
    "affinity": None,
    "tolerations": [{"key": "spot", "operator": "Exists", "tolerationSeconds": 300.0}],
    "node_selector": {"pool": "h100"},
    "env": [
        {
            "name": "HF_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "keys", "key": "HF_TOKEN", "optional": True}},
        },
        {
            "name": "GUKBAP_RUN_ID",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['pipeline/runid']"}},
        },
        {"name": "HF_HOME", "value": "/models"},
        {"name": "GUKBAP_QUIET", "value": "1"},
    ],
    "volumes": [
        {"name": "work", "persistentVolumeClaim": {"claimName": "work"}},
        {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
    ],
    "volume_mounts": [{"name": "work", "mountPath": "/shared"}, {"name": "models", "mountPath": "/models"}],
    "resources": {"limits": {"cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "8"}},
}


def test_what_the_pipeline_sets_on_the_step_goes_to_the_nodes() -> None:
    made = manifest(pods=pod_settings(TASK_CONFIG))
    assert made["spec"]["trainer"]["resourcesPerNode"] == TASK_CONFIG["resources"]
    pod = node(made)["spec"]
    assert pod["nodeSelector"] == {"pool": "h100"}
    assert pod["tolerations"] == [{"key": "spot", "operator": "Exists", "tolerationSeconds": 300}]
    assert [volume["name"] for volume in pod["volumes"]] == ["work", "models", "gukbap-shm"]
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"work": "/shared", "models": "/models", "gukbap-shm": "/dev/shm"}
    values = environment(made)
    assert values["HF_TOKEN"] == {"secretKeyRef": {"name": "keys", "key": "HF_TOKEN", "optional": True}}
    # The label that the step reads its run from is not on a node.
    assert values["GUKBAP_RUN_ID"] == RUN
    assert values["HF_HOME"] == "/models"
    assert "GUKBAP_QUIET" not in values


def test_nothing_passed_on_is_the_recipes_own() -> None:
    empty = dict.fromkeys(TASK_CONFIG) | {"resources": {}}
    assert manifest(pods=pod_settings(empty)) == manifest()


def test_a_broken_task_config_is_named() -> None:
    with pytest.raises(ConfigError, match="passed on to the TrainJob: mountPath"):
        pod_settings({"volume_mounts": [{"name": "x", "mountPath": 3}]})


def test_nodes_without_gpus_tolerate_no_gpu_taints() -> None:
    made = manifest("cluster.train.gpus=0", "train.sharding=none")
    assert made["spec"]["trainer"]["resourcesPerNode"]["limits"] == {"cpu": "32", "memory": "256Gi"}
    assert not {"tolerations", "nodeSelector"} & node(made)["spec"].keys()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["cluster.work_claim=null"], "cluster.work_claim is not set"),
        (["cluster.train.gpus=0"], "train.sharding is fsdp, and a training node asks for no GPU"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_starts(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        manifest(*overrides)


def test_too_few_gpus_from_the_runs_form_are_refused() -> None:
    pods = pod_settings({"resources": {"limits": {"nvidia.com/gpu": "2"}}})
    with pytest.raises(ConfigError, match=r"train\.processes is 4, and a training node asks for 2 GPU"):
        manifest(pods=pods)
