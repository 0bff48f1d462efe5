"""Where a run tracks, stores and computes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gukbap.config.base import Section
from gukbap.config.cron import wrong_cron

#: User and group of every image (docker/), by number: Kubernetes checks runAsNonRoot without knowing
#: names. Group 0 owns what the images may write, so that any user of that group can run them.
IMAGE_USER, IMAGE_GROUP = 10001, 0
#: Their home folder: with /tmp all that they write to besides mounts.
IMAGE_HOME = "/home/gukbap"


#: what names an object store
STORE_URL = r"^(s3://[a-z0-9.-]+(/\S*)?|file://\S+)$"


class TrackingConfig(Section):
    """MLflow. The environment's MLFLOW_TRACKING_URI stands above `uri`; with neither, a SQLite file."""

    enabled: bool = True
    uri: str | None = None
    experiment: str = Field("gukbap", min_length=1)


class StoreConfig(Section):
    """Where finished artifacts are copied to besides the run folder. Keys come from the environment."""

    url: str | None = Field(
        None,
        pattern=STORE_URL,
        description="s3://bucket/prefix or file:///folder; null: the run folder alone",
    )
    endpoint_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="MinIO or another S3 server; MINIO_ENDPOINT where null"
    )
    access_key_env: str = "MINIO_ACCESS_KEY"
    secret_key_env: str = "MINIO_SECRET_KEY"  # noqa: S105 - the NAME of a variable


class Toleration(Section):
    """A taint of the nodes that a pod may run on all the same (Kubernetes, core/v1 Toleration)."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = "NoSchedule"


class StepResources(Section):
    """What one kind of step asks of a node, and for how long."""

    cpu: str = Field("4", pattern=r"^\d+m?$")
    memory: str = Field("8Gi", pattern=r"^\d+(Mi|Gi)$")
    gpus: int = Field(0, ge=0)
    timeout_seconds: int = Field(6 * 3600, ge=60, description="a pod that runs longer is ended")


class RetryConfig(Section):
    """How often a failed step is tried again. Generation, judging, answering and training go on from
    their journals and checkpoints."""

    retries: int = Field(3, ge=0, le=10)
    backoff_seconds: int = Field(30, ge=0)
    backoff_factor: float = Field(2.0, ge=1)
    max_backoff_seconds: int = Field(600, ge=0)


class ClusterConfig(Section):
    """What a compiled pipeline asks of Kubernetes."""

    light: StepResources = Field(
        StepResources(cpu="2", memory="4Gi", timeout_seconds=3600),
        description="prepare, split, report, promote and finish",
    )
    generate: StepResources = StepResources(timeout_seconds=24 * 3600)
    clean: StepResources = StepResources()
    dedup: StepResources = StepResources()
    train: StepResources = StepResources(memory="16Gi", timeout_seconds=48 * 3600)
    infer: StepResources = StepResources(memory="16Gi")
    judge: StepResources = StepResources()
    retry: RetryConfig = RetryConfig()
    gpu_resource: str = "nvidia.com/gpu"
    shared_memory: str = Field(
        "64Gi",
        pattern=r"^\d+(Mi|Gi)$",
        description="/dev/shm of GPU steps; counts against their memory limit",
    )
    gpu_node_selector: dict[str, str] = Field(
        default_factory=dict, description="labels of the nodes that GPU steps run on"
    )
    gpu_tolerations: list[Toleration] = Field(
        [Toleration(key="nvidia.com/gpu")], description="taints of GPU nodes that GPU steps tolerate"
    )
    secret: str = Field(
        "gukbap",
        description="Kubernetes secret whose keys become the environment variables that the recipe names",
    )
    config_map: str = Field(
        "gukbap",
        description="ConfigMap, which may be missing, with MLFLOW_TRACKING_URI, MINIO_ENDPOINT and "
        "KF_PIPELINES_ENDPOINT",
    )
    image_pull_secret: str | None = Field(None, description="secret of a private image registry")
    work_claim: str | None = Field(
        None,
        description="a ReadWriteMany claim for journals and checkpoints; without one a retry starts anew",
    )
    ui_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="where people open the Kubeflow Pipelines UI"
    )
    trainer: Literal["pod", "trainjob"] = Field(
        "pod", description="trainjob: hand training to Kubeflow Trainer, over several nodes"
    )
    nodes: int = Field(1, ge=1, description="trainer trainjob: nodes, each with train.gpus GPUs")
    training_runtime: str = Field(
        "torch-distributed", description="trainer trainjob: the ClusterTrainingRuntime to use"
    )


class ScheduleConfig(Section):
    """Scheduled retraining on Kubeflow Pipelines."""

    cron: str = Field(
        description="six fields (seconds first) as KFP takes them: '0 0 18 * * 0' is Sundays at 18:00 UTC"
    )
    enabled: bool = True
    experiment: str = Field("gukbap", min_length=1, description="KFP experiment of the scheduled runs")

    @model_validator(mode="after")
    def _cron_is_readable(self) -> ScheduleConfig:
        wrong = wrong_cron(self.cron)
        if wrong:
            raise ValueError(
                f"cron {self.cron!r}: {wrong}; Kubeflow Pipelines takes six fields, seconds first, for "
                "example '0 0 18 * * 0' (Sundays at 18:00 UTC)"
            )
        return self
