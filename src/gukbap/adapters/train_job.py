"""The TrainJob that Kubeflow Trainer runs a training from, over several nodes.

Written for `trainer.kubeflow.org/v1alpha1` as Kubeflow Trainer 2.3 has it, out of its own typed models.
2.2 has the same fields but `terminationGracePeriodSeconds`, which it ignores; 2.0 and 2.1 patch the
runtime's pods in other ways and are not supported. Trainer's torch plugin sets PET_NNODES,
PET_NPROC_PER_NODE, PET_NODE_RANK, PET_MASTER_ADDR and PET_MASTER_PORT, which torchrun reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeflow_trainer_api import models

from gukbap.adapters.kubernetes_cluster import RUN_LABEL, TRAIN_JOB_API, Owner
from gukbap.adapters.kubernetes_pods import STEP_LABEL
from gukbap.adapters.model_cache import CACHE_VARIABLE
from gukbap.adapters.train_job_pods import SHM, PodSettings
from gukbap.config import IMAGE_GROUP, IMAGE_USER, ClusterConfig, TrainSettings
from gukbap.errors import ConfigError
from gukbap.handover import QUIET, RUN_ID, SHARED_DIR
from gukbap.interruption import LONGEST_SAVE_SECONDS

#: Name of the training nodes' job, and of their container, in the torch-distributed runtime.
NODE = "node"
JOB_LABEL = "gukbap.dev/train-job"
#: Who patches the runtime; the API server wants a name with a domain.
MANAGER = "gukbap.dev/train"
NODE_MODULE = "gukbap.workers.train_node"
#: Time for a checkpoint when a node is asked to stop, and for the launcher's own end.
GRACE_SECONDS = LONGEST_SAVE_SECONDS + 30
#: Trainer's torch plugin sets these itself and refuses a TrainJob that does.
RESERVED = ("PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """Where a TrainJob belongs, and what it works on.

    Args:
        name: a DNS label of at most 45 characters: pods are called NAME-node-0-0-xxxxx.
        run_id: the run's id, for the label.
        job_folder: what `stages.train.launch.write_job` wrote, on the shared claim.
        shared_folder: where the claim is mounted, here and in the nodes alike.
        service_account: what the nodes run as; the namespace's default where None.
        owner: what the TrainJob goes with; nothing where None.
    """

    name: str
    run_id: str
    job_folder: Path
    shared_folder: Path
    service_account: str | None = None
    owner: Owner | None = None


def train_job_manifest(
    settings: TrainSettings,
    cluster: ClusterConfig,
    place: Place,
    *,
    image: str,
    pods: PodSettings | None = None,
) -> dict[str, Any]:
    """The TrainJob as the API server takes it.

    Args:
        settings: `train.processes` is the number of processes on each node.
        cluster: nodes, runtime, and what the step asks of a node where `pods` does not say it.
        image: of the training nodes.
        pods: what the pipeline has set on the step, as Kubeflow Pipelines passed it on.

    Raises:
        ConfigError: the claim is missing, or the GPUs do not suffice for the processes.
    """
    pods = pods or PodSettings()
    group, version = TRAIN_JOB_API
    resources = pods.resources or _resources(cluster)
    _require_gpus(settings, cluster, resources)
    job = models.TrainerV1alpha1TrainJob(
        api_version=f"{group}/{version}",
        kind="TrainJob",
        metadata=_metadata(place),
        spec=models.TrainerV1alpha1TrainJobSpec(
            runtime_ref=models.TrainerV1alpha1RuntimeRef(
                api_group=group, kind="ClusterTrainingRuntime", name=cluster.training_runtime
            ),
            trainer=models.TrainerV1alpha1Trainer(
                image=image,
                command=["python", "-m", NODE_MODULE],
                args=[str(place.job_folder)],
                num_nodes=cluster.nodes,
                num_proc_per_node=settings.train.processes,
                resources_per_node=resources,
                env=_environment(place, pods.env),
            ),
            runtime_patches=[_patch(place, cluster, pods, uses_gpus=_gpus(cluster, resources) > 0)],
            active_deadline_seconds=cluster.train.timeout_seconds,
        ),
    )
    manifest: dict[str, Any] = job.to_dict()
    return manifest


def _labels(place: Place) -> dict[str, str]:
    return {RUN_LABEL: place.run_id, STEP_LABEL: "train", JOB_LABEL: place.name}


def _metadata(place: Place) -> Any:
    owner = place.owner
    reference = owner and models.IoK8sApimachineryPkgApisMetaV1OwnerReference(
        api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid
    )
    return models.IoK8sApimachineryPkgApisMetaV1ObjectMeta(
        name=place.name, labels=_labels(place), owner_references=[reference] if reference else None
    )


def _quantity(value: str | int) -> Any:
    return models.IoK8sApimachineryPkgApiResourceQuantity(str(value))


def _resources(cluster: ClusterConfig) -> Any:
    asked = {"cpu": _quantity(cluster.train.cpu), "memory": _quantity(cluster.train.memory)}
    gpus = {cluster.gpu_resource: _quantity(cluster.train.gpus)} if cluster.train.gpus else {}
    return models.IoK8sApiCoreV1ResourceRequirements(limits={**asked, **gpus}, requests=asked)


def _gpus(cluster: ClusterConfig, resources: Any) -> int:
    quantity = (resources.limits or {}).get(cluster.gpu_resource)
    return int(quantity.actual_instance) if quantity else 0


def _require_gpus(settings: TrainSettings, cluster: ClusterConfig, resources: Any) -> None:
    gpus, processes = _gpus(cluster, resources), settings.train.processes
    if gpus and gpus < processes:
        raise ConfigError(
            f"train.processes is {processes}, and a training node asks for {gpus} GPU(s)",
            expected="a GPU for each process of a node",
            fix=f"set train.processes={gpus} or cluster.train.gpus={processes}",
        )
    if not gpus and settings.train.sharding == "fsdp":
        raise ConfigError(
            "train.sharding is fsdp, and a training node asks for no GPU",
            expected=f"{processes} GPUs a node",
            fix=f"set cluster.train.gpus={processes} or train.sharding=none",
        )


def _environment(place: Place, passed_on: Sequence[Any]) -> list[Any]:
    """The step's variables, and the nodes' own above them. Each name stands once: the API server
    refuses a list with a name twice."""
    variables = {one.name: one for one in passed_on if one.name not in RESERVED and not _of_pod(one)}
    caches = place.shared_folder / "cache"
    defaults = {CACHE_VARIABLE: caches / "gukbap", "HF_HOME": caches / "huggingface"}
    own = {RUN_ID: place.run_id, SHARED_DIR: place.shared_folder, "PYTHONUNBUFFERED": "1"}
    values = {name: value for name, value in defaults.items() if name not in variables} | own
    variables.pop(QUIET, None)  # the launcher reads the nodes' progress out of their log
    variables |= {name: models.IoK8sApiCoreV1EnvVar(name=name, value=str(v)) for name, v in values.items()}
    return [variables[name] for name in sorted(variables)]


def _of_pod(variable: Any) -> bool:
    """Whether a variable tells of the launcher's pod: its labels (the run's id) are not on a node's."""
    source = variable.value_from
    return bool(source and source.field_ref and source.field_ref.field_path.startswith("metadata."))


def _patch(place: Place, cluster: ClusterConfig, pods: PodSettings, *, uses_gpus: bool) -> Any:
    job = models.TrainerV1alpha1ReplicatedJobPatch(
        name=NODE,
        template=models.TrainerV1alpha1JobTemplatePatch(
            spec=models.TrainerV1alpha1JobSpecPatch(
                template=models.TrainerV1alpha1PodTemplatePatch(
                    metadata=models.IoK8sApimachineryPkgApisMetaV1ObjectMeta(
                        # A proxy beside the trainer never ends, and NCCL does not go through it.
                        labels={**_labels(place), "sidecar.istio.io/inject": "false"}
                    ),
                    spec=_pod_spec(place, cluster, pods, uses_gpus=uses_gpus),
                )
            )
        ),
    )
    template = models.TrainerV1alpha1JobSetTemplatePatch(
        metadata=models.IoK8sApimachineryPkgApisMetaV1ObjectMeta(labels=_labels(place)),
        spec=models.TrainerV1alpha1JobSetSpecPatch(replicated_jobs=[job]),
    )
    return models.TrainerV1alpha1RuntimePatch(
        manager=MANAGER,
        training_runtime_spec=models.TrainerV1alpha1TrainingRuntimeSpecPatch(template=template),
    )


def _pod_spec(place: Place, cluster: ClusterConfig, pods: PodSettings, *, uses_gpus: bool) -> Any:
    volumes, mounts = _volumes(place, cluster, pods)
    secret = cluster.image_pull_secret
    return models.TrainerV1alpha1PodSpecPatch(
        service_account_name=place.service_account,
        image_pull_secrets=[models.IoK8sApiCoreV1LocalObjectReference(name=secret)] if secret else None,
        node_selector=pods.node_selector or (cluster.gpu_node_selector if uses_gpus else None) or None,
        tolerations=pods.tolerations or (_tolerations(cluster) if uses_gpus else None) or None,
        affinity=pods.affinity,
        security_context=models.IoK8sApiCoreV1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=IMAGE_USER,
            run_as_group=IMAGE_GROUP,
            seccomp_profile=models.IoK8sApiCoreV1SeccompProfile(type="RuntimeDefault"),
        ),
        volumes=volumes,
        containers=[
            models.TrainerV1alpha1ContainerPatch(
                name=NODE,
                volume_mounts=mounts,
                security_context=models.IoK8sApiCoreV1SecurityContext(
                    allow_privilege_escalation=False,
                    capabilities=models.IoK8sApiCoreV1Capabilities(drop=["ALL"]),
                ),
            )
        ],
        termination_grace_period_seconds=GRACE_SECONDS,
    )


def _tolerations(cluster: ClusterConfig) -> list[Any]:
    return [models.IoK8sApiCoreV1Toleration(**one.model_dump()) for one in cluster.gpu_tolerations]


def _volumes(place: Place, cluster: ClusterConfig, pods: PodSettings) -> tuple[list[Any], list[Any]]:
    """What the step mounts, the claim, and a /dev/shm that NCCL and data loaders have room in."""
    volumes, mounts = list(pods.volumes), list(pods.volume_mounts)
    mounted = {mount.mount_path.rstrip("/") for mount in mounts}
    if str(place.shared_folder) not in mounted:
        claim = models.IoK8sApiCoreV1PersistentVolumeClaimVolumeSource(claim_name=_claim(cluster))
        volumes.append(models.IoK8sApiCoreV1Volume(name="gukbap-work", persistent_volume_claim=claim))
        path = str(place.shared_folder)
        mounts.append(models.IoK8sApiCoreV1VolumeMount(name="gukbap-work", mount_path=path))
    if SHM not in mounted:
        size = _quantity(cluster.shared_memory)
        memory = models.IoK8sApiCoreV1EmptyDirVolumeSource(medium="Memory", size_limit=size)
        volumes.append(models.IoK8sApiCoreV1Volume(name="gukbap-shm", empty_dir=memory))
        mounts.append(models.IoK8sApiCoreV1VolumeMount(name="gukbap-shm", mount_path=SHM))
    return volumes, mounts


def _claim(cluster: ClusterConfig) -> str:
    if cluster.work_claim is None:
        raise ConfigError(
            "cluster.trainer is trainjob, and cluster.work_claim is not set",
            expected="a ReadWriteMany claim, over which the nodes get the rows and share checkpoints",
            fix="set cluster.work_claim, or cluster.trainer=pod for training in one pod",
        )
    return cluster.work_claim
