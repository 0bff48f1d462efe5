"""What a pipeline has set on the train step, which the training nodes get in its place.

Kubeflow Pipelines hands it over as `dsl.TaskConfig`: fragments of a pod's specification, as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeflow_trainer_api import models
from pydantic import ValidationError

from gukbap.errors import ConfigError

#: Where shared memory is mounted.
SHM = "/dev/shm"


@dataclass(frozen=True)
class PodSettings:
    """Fragments of a pod's specification, as the typed models of Kubeflow Trainer's API.

    None or empty where the pipeline has set nothing. Secrets are in `env` by reference alone.
    """

    resources: Any = None
    env: list[Any] = field(default_factory=list)
    volumes: list[Any] = field(default_factory=list)
    volume_mounts: list[Any] = field(default_factory=list)
    node_selector: dict[str, str] | None = None
    tolerations: list[Any] | None = None
    affinity: Any = None


def pod_settings(task_config: Mapping[str, Any]) -> PodSettings:
    """`dsl.TaskConfig` as a mapping, read.

    Raises:
        ConfigError: a part is not what Kubernetes has there.
    """
    given = {name: _whole_numbers(value) for name, value in task_config.items()}

    def each(name: str, model: Any) -> list[Any]:
        return [model.from_dict(one) for one in given.get(name) or []]

    resources = given.get("resources") or {}
    try:
        return PodSettings(
            resources=models.IoK8sApiCoreV1ResourceRequirements.from_dict(resources)
            if resources.get("limits")
            else None,
            env=each("env", models.IoK8sApiCoreV1EnvVar),
            volumes=each("volumes", models.IoK8sApiCoreV1Volume),
            volume_mounts=each("volume_mounts", models.IoK8sApiCoreV1VolumeMount),
            node_selector=given.get("node_selector") or None,
            tolerations=each("tolerations", models.IoK8sApiCoreV1Toleration) or None,
            affinity=models.IoK8sApiCoreV1Affinity.from_dict(given.get("affinity")),
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"the step's configuration cannot be passed on to the TrainJob: {place}: {first['msg']}",
            expected="resources, environment and volumes as Kubernetes writes them",
        ) from error


def _whole_numbers(value: Any) -> Any:
    """The same with 300 for 300.0: values that went through protobuf's Struct are all floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(one) for one in value]
    return value
