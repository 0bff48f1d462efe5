"""What a compiled pipeline asks of a cluster, read from its IR and platform spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp.compiler import Compiler

from components import images
from gukbap.config import IMAGE_USER
from gukbap.recipes import load_recipe
from pipelines.gukbap_pipeline import build_pipeline
from tests.shallow import on_own_stack

STRATEGIES = ("default", "1-shot", "cot-1-shot")


class Compiled:
    """A compiled package: the text, and what is said of each step by its display name."""

    def __init__(self, folder: Path, recipe: str, *overrides: str) -> None:
        file = folder / "pipeline.yaml"
        on_own_stack(lambda: Compiler().compile(build_pipeline(load_recipe(recipe, overrides)), str(file)))
        self.text = file.read_text(encoding="utf-8")
        self.ir, platform = yaml.safe_load_all(self.text)
        self.inputs = self.ir["root"]["inputDefinitions"]["parameters"]
        self._platform = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        inner = self.ir["components"]["comp-exit-handler-1"]["dag"]["tasks"]
        outer = self.ir["root"]["dag"]["tasks"]
        self.tasks = {task["taskInfo"]["name"]: task for task in [*inner.values(), outer["finish"]]}

    def executor(self, step: str) -> str:
        label = self.tasks[step]["componentRef"]["name"]
        name: str = self.ir["components"][label]["executorLabel"]
        return name

    def container(self, step: str) -> dict[str, Any]:
        values: dict[str, Any] = self.ir["deploymentSpec"]["executors"][self.executor(step)]["container"]
        return values

    def pod(self, step: str) -> dict[str, Any]:
        values: dict[str, Any] = self._platform[self.executor(step)]
        return values

    def secret_keys(self, step: str, *, optional: bool) -> set[str]:
        return {
            pair["secretKey"]
            for secret in self.pod(step).get("secretAsEnv", [])
            if secret.get("optional", False) is optional
            for pair in secret["keyToEnv"]
        }


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return Compiled(tmp_path_factory.mktemp("compiled"), "gukbap-mistral-7b")


def test_training_is_one_pod_with_four_gpus(compiled: Compiled) -> None:
    accelerator = compiled.container("train")["resources"]["accelerator"]
    assert accelerator["resourceType"] == "nvidia.com/gpu"
    # KFP's driver reads a number as an empty string there, and asks for no GPU: it must be text, and the
    # prepare step hands it on as text.
    assert accelerator["resourceCount"] == "{{$.inputs.parameters['pipelinechannel--prepare-train_gpus']}}"
    source = compiled.tasks["train"]["inputs"]["parameters"]["pipelinechannel--prepare-train_gpus"]
    assert source["taskOutputParameter"] == {"producerTask": "prepare", "outputParameterKey": "train_gpus"}
    prepared = compiled.ir["components"]["comp-prepare"]["outputDefinitions"]["parameters"]
    assert prepared["train_gpus"]["parameterType"] == "STRING"
    assert compiled.inputs["train_gpus"]["defaultValue"] == 4
    recipe = load_recipe("gukbap-mistral-7b")
    assert (recipe.cluster.train.gpus, recipe.train.processes, recipe.train.sharding) == (4, 4, "fsdp")


@pytest.mark.parametrize("step", ["train", "infer-base", "infer-tuned"])
def test_gpu_steps_have_shared_memory_and_gpu_nodes(compiled: Compiled, step: str) -> None:
    pod = compiled.pod(step)
    assert pod["emptyDirMounts"] == [
        {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "64Gi"}
    ]
    assert pod["nodeSelector"]["labels"] == {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.mark.parametrize("step", ["generate", "dedup", "judge-base-default", "report"])
def test_other_steps_ask_for_no_gpu(compiled: Compiled, step: str) -> None:
    assert "accelerator" not in compiled.container(step)["resources"]
    assert "nodeSelector" not in compiled.pod(step)


def test_every_step_says_what_it_needs_and_for_how_long(compiled: Compiled) -> None:
    for step in compiled.tasks:
        resources = compiled.container(step)["resources"]
        for kind in (
            "resourceCpuLimit",
            "resourceCpuRequest",
            "resourceMemoryLimit",
            "resourceMemoryRequest",
        ):
            assert resources[kind], (step, kind)
        assert int(compiled.pod(step)["activeDeadlineSeconds"]) >= 3600
    train = compiled.container("train")["resources"]
    assert (train["resourceMemoryLimit"], train["resourceCpuLimit"]) == ("256Gi", "32")
    assert compiled.pod("train")["activeDeadlineSeconds"] == "172800"


def test_every_step_is_tried_again_with_backoff(compiled: Compiled) -> None:
    for step, task in compiled.tasks.items():
        assert task["retryPolicy"] == {
            "maxRetryCount": 3,
            "backoffDuration": "30s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "600s",
        }, step


def test_journals_and_checkpoints_lie_on_the_work_claim(compiled: Compiled) -> None:
    for step in compiled.tasks:
        [mount] = compiled.pod(step)["pvcMount"]
        assert (mount["constant"], mount["mountPath"]) == ("gukbap-work", "/gukbap-work")
        variables = {entry["name"]: entry["value"] for entry in compiled.container(step)["env"]}
        assert variables == {"GUKBAP_SHARED_DIR": "/gukbap-work", "MLFLOW_EXPERIMENT_NAME": "gukbap"}


def test_a_step_knows_its_run_without_that_being_an_input(compiled: Compiled) -> None:
    for step, task in compiled.tasks.items():
        [field] = compiled.pod(step)["fieldPathAsEnv"]
        assert field == {"name": "GUKBAP_RUN_ID", "fieldPath": "metadata.labels['pipeline/runid']"}
        # As an input the run's id would be part of the cache's key, and nothing would ever be reused.
        assert "pipeline_job_id" not in str(task["inputs"])


def test_every_pod_runs_as_a_numbered_user_that_is_not_root(compiled: Compiled) -> None:
    for step in compiled.tasks:
        security = compiled.pod(step)["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, str(IMAGE_USER))


def test_each_step_gets_the_keys_that_it_needs_and_no_others(compiled: Compiled) -> None:
    required = {step: compiled.secret_keys(step, optional=False) for step in compiled.tasks}
    assert required.pop("generate") == {"DEEPINFRA_API_KEY"}
    for step, keys in required.items():
        assert keys == ({"OPENAI_API_KEY"} if step.startswith("judge") else set()), step
    tracking = {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"}
    stored = {"MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"}
    reading = ("generate", "clean", "train", "infer", "judge")
    for step in compiled.tasks:
        keys = stored | {"HF_TOKEN"} if step.startswith(reading) else stored if step == "prepare" else set()
        assert compiled.secret_keys(step, optional=True) == tracking | keys, step


def test_near_dedup_gets_the_stores_keys_where_it_publishes_data(tmp_path: Path) -> None:
    changed = Compiled(tmp_path, "gukbap-mistral-7b", "data.store=s3://gukbap/data")
    assert {"MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"} <= changed.secret_keys("dedup", optional=True)


def test_cleaning_gets_the_image_that_its_settings_ask_for(tmp_path: Path) -> None:
    changed = Compiled(tmp_path, "gukbap-mistral-7b", "clean.max_tokens=2048")
    assert "train_image" in str(changed.container("clean")["image"])


def test_secrets_are_named_by_a_parameter_and_come_from_kubernetes_alone(compiled: Compiled) -> None:
    assert compiled.inputs["secret"]["defaultValue"] == "gukbap"
    for step in compiled.tasks:
        for secret in compiled.pod(step)["secretAsEnv"]:
            assert secret["secretNameParameter"]["componentInputParameter"].endswith("secret")


def test_no_secret_value_reaches_the_compiled_pipeline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = (
        "DEEPINFRA_API_KEY",
        "OPENAI_API_KEY",
        "MINIO_SECRET_KEY",
        "HF_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
    )
    for name in names:
        monkeypatch.setenv(name, f"literal-secret-of-{name}")
    assert "literal-secret" not in Compiled(tmp_path, "gukbap-mistral-7b").text


def test_where_the_platform_is_comes_from_a_config_map_that_may_be_missing(compiled: Compiled) -> None:
    for step in compiled.tasks:
        [source] = compiled.pod(step)["configMapAsEnv"]
        assert (source["configMapName"], source["optional"]) == ("gukbap", True)
        assert {pair["envVar"] for pair in source["keyToEnv"]} == {
            "MLFLOW_TRACKING_URI", "MINIO_ENDPOINT", "KF_PIPELINES_ENDPOINT"
        }  # fmt: skip


def test_a_tracking_server_in_the_recipe_stands_above_the_config_map(tmp_path: Path) -> None:
    compiled = Compiled(tmp_path, "gukbap-mistral-7b", "tracking.uri=http://mlflow:5000")
    variables = {entry["name"]: entry["value"] for entry in compiled.container("generate")["env"]}
    assert variables["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    [source] = compiled.pod("generate")["configMapAsEnv"]
    assert "MLFLOW_TRACKING_URI" not in {pair["envVar"] for pair in source["keyToEnv"]}


def test_images_are_parameters_with_the_packages_version_and_never_latest(compiled: Compiled) -> None:
    expected = {"cpu_image": images.CPU, "train_image": images.TRAIN, "infer_image": images.VLLM}
    assert {name: compiled.inputs[name]["defaultValue"] for name in expected} == expected
    assert ":latest" not in compiled.text
    for step, name in (("generate", "cpu"), ("train", "train"), ("infer-base", "infer")):
        assert compiled.container(step)["image"] == (
            f"{{{{$.inputs.parameters['pipelinechannel--{name}_image']}}}}"
        )
        assert compiled.pod(step)["imagePullPolicy"] == "IfNotPresent"


def test_a_private_registrys_secret_is_used_where_the_recipe_names_one(tmp_path: Path) -> None:
    assert "imagePullSecret" not in Compiled(tmp_path, "gukbap-mistral-7b").pod("train")
    compiled = Compiled(tmp_path, "gukbap-mistral-7b", "cluster.image_pull_secret=registry")
    assert compiled.inputs["image_pull_secret"]["defaultValue"] == "registry"
    [secret] = compiled.pod("train")["imagePullSecret"]
    assert secret["secretNameParameter"]["componentInputParameter"].endswith("image_pull_secret")


def test_steps_that_act_on_the_run_are_never_taken_from_the_cache(compiled: Compiled) -> None:
    cached = {step for step, task in compiled.tasks.items() if task["cachingOptions"].get("enableCache")}
    assert set(compiled.tasks) - cached == {"prepare", "report", "promote", "finish"}


def test_the_exit_step_follows_the_whole_run_and_hears_what_became_of_it(compiled: Compiled) -> None:
    finish = compiled.tasks["finish"]
    assert finish["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert finish["dependentTasks"] == ["exit-handler-1"]
    assert finish["inputs"]["parameters"]["status"] == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}


def test_the_three_strategies_are_judged_side_by_side(compiled: Compiled) -> None:
    for subject, before in (("base", {"prepare"}), ("tuned", {"prepare", "train"})):
        answered = compiled.tasks[f"infer-{subject}"]
        assert set(answered["dependentTasks"]) == before
        needed = {tuple(sorted(compiled.tasks[f"judge-{subject}-{s}"]["dependentTasks"])) for s in STRATEGIES}
        [(infer_key, prepare)] = needed
        assert (infer_key.startswith("infer"), prepare) == (True, "prepare")


def test_training_over_nodes_is_the_same_step_handed_to_kubeflow_trainer(tmp_path: Path) -> None:
    one_pod = Compiled(tmp_path, "gukbap-mistral-7b")
    compiled = Compiled(tmp_path, "gukbap-mistral-7b", "cluster.trainer=trainjob", "cluster.nodes=2")
    component = compiled.ir["components"][compiled.tasks["train"]["componentRef"]["name"]]
    assert {entry["field"] for entry in component["taskConfigPassthroughs"]} >= {
        "RESOURCES", "ENV", "KUBERNETES_VOLUMES", "KUBERNETES_TOLERATIONS", "KUBERNETES_NODE_SELECTOR"
    }  # fmt: skip
    assert compiled.container("train")["image"].endswith("cpu_image']}}")
    assert compiled.tasks["train"]["inputs"]["artifacts"] == one_pod.tasks["train"]["inputs"]["artifacts"]
    for same in ("accelerator", "resourceMemoryLimit"):
        assert compiled.container("train")["resources"][same] == one_pod.container("train")["resources"][same]
    assert compiled.pod("train")["pvcMount"] == one_pod.pod("train")["pvcMount"]
    assert "emptyDirMounts" not in compiled.pod("train")
    assert int(compiled.pod("train")["activeDeadlineSeconds"]) > 172800


def test_a_teacher_that_the_step_serves_itself_has_image_gpus_and_shared_memory(tmp_path: Path) -> None:
    served = Compiled(
        tmp_path,
        "gukbap-mistral-7b",
        "teacher={model: 'hf://mistralai/Mixtral-8x7B-Instruct-v0.1@0123abc', "
        "licence: Apache-2.0, vllm: {gpus: 2}}",
    )
    container = served.container("generate")
    assert container["image"].endswith("chat_image']}}")
    assert served.inputs["chat_image"]["defaultValue"] == images.VLLM
    assert container["resources"]["accelerator"] == {
        "count": "2",
        "type": "nvidia.com/gpu",
        "resourceType": "nvidia.com/gpu",
        "resourceCount": "2",
    }
    assert served.pod("generate")["emptyDirMounts"] == served.pod("infer-base")["emptyDirMounts"]
    assert "HF_TOKEN" in served.secret_keys("generate", optional=True)
    assert served.container("judge-base-default")["image"].endswith("cpu_image']}}")
    assert len(served.inputs) <= 20


def test_steps_that_judge_again_get_the_judges_key(tmp_path: Path, compiled: Compiled) -> None:
    asking = Compiled(
        tmp_path, "gukbap-mistral-7b", "promote.rejudge_champion=true", "health.judge_answers=6"
    )
    key = compiled.secret_keys("judge-tuned-default", optional=False)
    assert key
    for step in ("promote", "report"):
        assert compiled.secret_keys(step, optional=False) == set()
        assert asking.secret_keys(step, optional=False) == key
        assert not asking.tasks[step].get("cachingOptions", {}).get("enableCache")
