"""What each step asks of the cluster: resources, GPUs, secrets, volumes, retries, time.

Platform facts behind the choices (KFP's backend, src/v2/driver): a number parameter that drives a GPU
count is read as an empty string and no GPU is asked for, so counts come as text from the prepare step;
the name of a claim is part of the cache's key, so journals lie on one claim for all runs and not on a
claim made for each; a variable read from a field of the pod is no part of that key.
"""

from collections.abc import Mapping
from typing import Any

from kfp import dsl, kubernetes

from gukbap.config import IMAGE_USER, Endpoint, Recipe, RetryConfig, StepResources, settings_text
from gukbap.handover import EXPERIMENT, OBJECT_STORE, PIPELINES_API, RUN_ID, SHARED_DIR, TRACKING_URI

#: where the cluster's work claim is mounted
WORK_MOUNT = "/gukbap-work"
#: Kubeflow Pipelines puts the run's id on every pod under this label.
_RUN_LABEL = "metadata.labels['pipeline/runid']"
_TRACKING_KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_HUB_KEYS = ("HF_TOKEN",)
#: how long a TrainJob may wait for its nodes, besides the training itself
_QUEUE_SECONDS = 24 * 3600


class Placement:
    """Applies a recipe's cluster section to the tasks of its pipeline."""

    def __init__(
        self,
        recipe: Recipe,
        given: Mapping[str, Any],
        *,
        on_cluster: bool,
        retry: RetryConfig | None = None,
    ) -> None:
        """What tasks are given.

        Args:
            recipe: with the cluster section.
            given: parameter of the form → its value, or what stands for it inside the pipeline.
            on_cluster: with all that pods need.
            retry: of every task; the cluster section's when None.
        """
        self._recipe, self._cluster, self._given = recipe, recipe.cluster, given
        self._on_cluster, self._retry = on_cluster, retry or recipe.cluster.retry

    def light(self, task: dsl.PipelineTask, name: str, *, keys: tuple[str, ...] = ()) -> None:
        """A step of small data: prepare, split, report, promote, finish."""
        self._place(task, name, self._cluster.light, "cpu_image", optional_keys=keys)
        # split is the one of them whose work is worth reusing; the others act on the run itself.
        task.set_caching_options(name == "split")

    def _reading_keys(self) -> tuple[str, ...]:
        """Of steps that read seeds, packs or models: where those lie may be changed in the form."""
        return (*_HUB_KEYS, *self.store_keys())

    def store_keys(self) -> tuple[str, ...]:
        """The variables with the object store's keys."""
        return (self._recipe.store.access_key_env, self._recipe.store.secret_key_env)

    def generate(self, task: dsl.PipelineTask) -> None:
        """The step that asks the teacher."""
        self._place_asking(task, "generate", self._cluster.generate, self._recipe.teacher)

    def clean(self, task: dsl.PipelineTask) -> None:
        """The step that filters rows; where it counts tokens, in the image that has tokenizers."""
        image = "train_image" if self._recipe.clean.counts_tokens else "cpu_image"
        self._place(task, "clean", self._cluster.clean, image, optional_keys=self._reading_keys())

    def dedup(self, task: dsl.PipelineTask) -> None:
        """The step that compares all rows."""
        stored = self.store_keys() if self._recipe.data.store else ()
        self._place(task, "dedup", self._cluster.dedup, "cpu_image", optional_keys=stored)

    @property
    def over_nodes(self) -> bool:
        """Whether training is handed to Kubeflow Trainer; one machine has no use for it."""
        return self._on_cluster and self._cluster.trainer == "trainjob"

    def for_nodes(self) -> dict[str, Any]:
        """What a TrainJob is told of the cluster."""
        return {"cluster": settings_text(self._cluster), "image": self._given["train_image"]}

    def train(self, task: dsl.PipelineTask, gpus: Any) -> None:
        """The one training pod with all its GPUs, or the pod that waits for the nodes which have them.

        Kubeflow Trainer's nodes get the resources, selectors, tolerations and the claim of this task;
        /dev/shm is the TrainJob's own, since Kubeflow Pipelines hands no emptyDir on.
        """
        resources, image = self._cluster.train, "train_image"
        if self.over_nodes:
            waiting = resources.timeout_seconds + _QUEUE_SECONDS
            resources, image = resources.model_copy(update={"timeout_seconds": waiting}), "cpu_image"
        self._place(task, "train", resources, image, optional_keys=self._reading_keys())
        self._on_gpus(task, resources.gpus, gpus, shared_memory=not self.over_nodes)

    def infer(self, task: dsl.PipelineTask, name: str, gpus: Any) -> None:
        """A step that answers the questions: one student, all strategies."""
        key = self._recipe.infer.api_key_env
        self._place(
            task,
            name,
            self._cluster.infer,
            "infer_image",
            keys=(key,) if key else (),
            optional_keys=self._reading_keys(),
        )
        self._on_gpus(task, self._cluster.infer.gpus, gpus)

    def judge(self, task: dsl.PipelineTask, name: str) -> None:
        """A step that asks the judge."""
        self._place_asking(task, name, self._cluster.judge, self._recipe.judge.endpoint)

    def report(self, task: dsl.PipelineTask) -> None:
        """The step that tells of the run, and may have to have stored answers judged again."""
        self._light_or_asking(task, "report", asks=self._recipe.health.judge_answers > 0)

    def promote(self, task: dsl.PipelineTask) -> None:
        """The step that compares with the champion, whose stored answers it may have to have judged."""
        self._light_or_asking(task, "promote", asks=self._recipe.promote.rejudge_champion)

    def _light_or_asking(self, task: dsl.PipelineTask, name: str, *, asks: bool) -> None:
        if asks:
            self._place_asking(task, name, self._cluster.light, self._recipe.judge.endpoint)
            task.set_caching_options(False)
        else:
            self.light(task, name)

    def _place_asking(
        self, task: dsl.PipelineTask, name: str, resources: StepResources, endpoint: Endpoint
    ) -> None:
        """A step that asks a chat model: on a server, or on one that it starts itself."""
        keys = (endpoint.api_key_env,) if endpoint.api_key_env else ()
        if endpoint.vllm is None:
            self._place(task, name, resources, "cpu_image", keys=keys, optional_keys=self._reading_keys())
        else:
            self._place(task, name, resources, "chat_image", keys=keys, optional_keys=self._reading_keys())
            self._on_gpus(task, endpoint.vllm.gpus, str(endpoint.vllm.gpus))

    def _place(
        self,
        task: dsl.PipelineTask,
        name: str,
        resources: StepResources,
        image: str,
        keys: tuple[str, ...] = (),
        optional_keys: tuple[str, ...] = (),
    ) -> None:
        """`keys` must be in the secret for the pod to start; `optional_keys` may be missing."""
        retry = self._retry
        task.set_display_name(name)
        task.set_container_image(self._given[image])
        task.set_retry(
            num_retries=retry.retries,
            backoff_duration=f"{retry.backoff_seconds}s",
            backoff_factor=retry.backoff_factor,
            backoff_max_duration=f"{retry.max_backoff_seconds}s",
        )
        if not self._on_cluster:
            return
        task.set_cpu_request(resources.cpu).set_cpu_limit(resources.cpu)
        task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
        kubernetes.set_timeout(task, resources.timeout_seconds)
        kubernetes.set_security_context(task, run_as_user=IMAGE_USER, run_as_non_root=True)
        kubernetes.set_image_pull_policy(task, "IfNotPresent")
        if "image_pull_secret" in self._given:
            kubernetes.set_image_pull_secrets(task, [self._given["image_pull_secret"]])
        self._with_environment(task)
        self._with_secrets(task, keys, optional=False)
        self._with_secrets(task, optional_keys + _TRACKING_KEYS, optional=True)
        if self._cluster.work_claim:
            kubernetes.mount_pvc(task, pvc_name=self._cluster.work_claim, mount_path=WORK_MOUNT)
            task.set_env_variable(SHARED_DIR, WORK_MOUNT)

    def _with_environment(self, task: dsl.PipelineTask) -> None:
        tracking = self._recipe.tracking
        kubernetes.use_field_path_as_env(task, env_name=RUN_ID, field_path=_RUN_LABEL)
        task.set_env_variable(EXPERIMENT, tracking.experiment)
        known = [OBJECT_STORE, PIPELINES_API]
        if tracking.enabled and tracking.uri:
            task.set_env_variable(TRACKING_URI, tracking.uri)
        elif tracking.enabled:
            known.append(TRACKING_URI)
        kubernetes.use_config_map_as_env(
            task,
            config_map_name=self._cluster.config_map,
            config_map_key_to_env={key: key for key in known},
            optional=True,
        )

    def _with_secrets(self, task: dsl.PipelineTask, keys: tuple[str, ...], *, optional: bool) -> None:
        if keys:
            kubernetes.use_secret_as_env(
                task,
                secret_name=self._given["secret"],
                secret_key_to_env={key: key for key in keys},
                optional=optional,
            )

    def _on_gpus(
        self, task: dsl.PipelineTask, wanted: int, count: Any, *, shared_memory: bool = True
    ) -> None:
        """`wanted`: as compiled; `count`: the number as text, as the prepare step gives it."""
        if not wanted or not self._on_cluster:
            return
        task.set_accelerator_type(self._cluster.gpu_resource).set_accelerator_limit(count)
        if shared_memory:
            # NCCL and the data loader share memory there; the default of 64 MiB crashes them.
            kubernetes.empty_dir_mount(
                task,
                volume_name="shm",
                mount_path="/dev/shm",
                medium="Memory",
                size_limit=self._cluster.shared_memory,
            )
        for label, value in self._cluster.gpu_node_selector.items():
            kubernetes.add_node_selector(task, label, value)
        for toleration in self._cluster.gpu_tolerations:
            kubernetes.add_toleration(
                task,
                key=toleration.key,
                operator=toleration.operator,
                value=toleration.value,
                effect=toleration.effect,
            )
