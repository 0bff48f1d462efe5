"""Run the DAG with kfp.local: a container for each step, from the images that a cluster runs too.

A container sees the host's network, the run's work folder, the model cache, the folder of a local
MLflow file, and the files that the recipe names, each under the host's own path; of the environment
it sees the variables that the recipe and the handover name. It runs as the user who started the run,
so that its files are that user's, without any of root's rights, and writes to nothing but the mounts:
the image is read-only, and /tmp and the image's home lie in memory.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gukbap.adapters.mlflow_sqlite import sqlite_folder
from gukbap.adapters.model_cache import CACHE_VARIABLE, cache_folder
from gukbap.config import IMAGE_GROUP, IMAGE_HOME, Recipe
from gukbap.errors import GukbapError
from gukbap.handover import OBJECT_STORE, QUIET, RUN_ID, TRACKING_URI, WORK_DIR
from gukbap.ports import Progress
from gukbap.runners.containers import LABEL, kfp_runs_containers_here, remove_leftovers
from gukbap.runners.dag import Step
from gukbap.runners.kfp_local import run_with_kfp_local
from gukbap.runners.run_folder import RunFolder

_HUB_VARIABLES = ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT")


def run_in_docker(
    pipeline: Any,
    steps: Sequence[Step],
    folder: RunFolder,
    progress: Progress,
    environment: Mapping[str, str],
) -> None:
    """Run a KFP pipeline (a GraphComponent without parameters) with kfp.local's DockerRunner.

    Steps that ended before run again, but each goes on from its journal, so no call is sent twice. A
    step that fails, or whose container is killed, is tried again as often as its task's set_retry says.

    Args:
        environment: variables for every step besides those that the recipe names: where to track.

    Raises:
        GukbapError: no engine answers, an image is missing, or the engine refuses a container.
        StageFailedError: a step failed; carries the step's own words where it left them.
    """
    with _engine() as client:
        _check_images(client, image_names(pipeline))
        # A killed run can leave a step at work, which would write beside its new attempt.
        if ended := remove_leftovers(client, str(folder.path)):
            progress.say(f"ended {ended} containers that an earlier attempt had left")
        arguments = _container_arguments(client.info(), folder, environment)
        try:
            with kfp_runs_containers_here():
                from kfp import local

                runner = local.DockerRunner(**arguments)
                run_with_kfp_local(pipeline, steps, folder, progress, runner=runner, name="docker")
        finally:
            remove_leftovers(client, str(folder.path))


def image_names(pipeline: Any) -> list[str]:
    """The images that the steps of a pipeline run in."""
    executors = pipeline.pipeline_spec.deployment_spec["executors"]
    return sorted({executors[label]["container"]["image"] for label in executors})


@contextmanager
def _engine() -> Iterator[Any]:
    """A client of the Docker engine; what it raises in the block becomes one clear error."""
    try:
        from docker.errors import DockerException
        from requests import RequestException

        from docker import from_env
    except ImportError as error:
        raise GukbapError(
            "the Docker runner needs the package docker", fix="pip install 'gukbap[kfp]'"
        ) from error
    try:
        client = from_env()
    except DockerException as error:
        raise GukbapError(
            f"no Docker engine answers: {error}",
            expected="a running engine that this user may use",
            fix="start Docker, or name the engine as DOCKER_HOST (docker context inspect shows its address); "
            "or use --runner subprocess",
        ) from error
    try:
        yield client
    except (DockerException, RequestException) as error:
        raise GukbapError(
            f"the Docker engine refused or broke off: {error}",
            fix="docker info tells whether the engine is well; then go on with --resume",
        ) from error
    finally:
        client.close()


def _check_images(client: Any, names: Sequence[str]) -> None:
    from docker.errors import ImageNotFound

    missing = []
    for name in names:
        try:
            client.images.get(name)
        except ImageNotFound:
            missing.append(name)
    if missing:
        raise GukbapError(
            f"images are missing: {', '.join(missing)}",
            expected="the images of this version on this machine",
            fix="make images in a checkout of gukbap, or docker pull them",
        )


def _container_arguments(
    info: Mapping[str, Any], folder: RunFolder, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Arguments of docker's `containers.create` for every step.

    Args:
        info: what the engine says of itself.
    """
    from docker.types import DeviceRequest, Mount

    recipe = folder.recipe
    variables = _variables(recipe, folder, environment)
    arguments: dict[str, Any] = {
        # A step's server may be on this machine's loopback.
        "network_mode": "host",
        # KFP's command stands where the image has `gukbap`, as it does on a cluster.
        "entrypoint": [],
        "environment": variables,
        "labels": {LABEL: str(folder.path)},
        "mounts": [
            Mount(target=str(path), source=str(path), type="bind", read_only=read_only)
            for path, read_only in _mounts(recipe, folder, variables).items()
        ],
        "shm_size": recipe.cluster.shared_memory.removesuffix("i").lower(),
        "user": _user(info),
        "group_add": [str(IMAGE_GROUP)],
        "security_opt": ["no-new-privileges"],
        "cap_drop": ["ALL"],
        "read_only": True,
        # exec: Triton loads the kernels from there that it compiles.
        "tmpfs": dict.fromkeys(("/tmp", IMAGE_HOME), "exec,mode=1777"),
        # The place that relative paths of the recipe start from.
        "working_dir": str(Path.cwd()),
    }
    if "nvidia" in info.get("Runtimes", {}):
        arguments["device_requests"] = [DeviceRequest(count=-1, capabilities=[["gpu"]])]
    return arguments


def _user(info: Mapping[str, Any]) -> str:
    """Who owns what containers write: the user of this process.

    A rootless engine already runs as that user, who is called 0 inside its containers.
    """
    if "name=rootless" in info.get("SecurityOptions", []):
        return "0:0"
    return f"{os.getuid()}:{os.getgid()}"


def _variables(recipe: Recipe, folder: RunFolder, environment: Mapping[str, str]) -> dict[str, str]:
    """The steps' environment: of this process's only what the recipe or the handover names."""
    named = {
        recipe.teacher.api_key_env,
        recipe.infer.api_key_env,
        recipe.judge.endpoint.api_key_env,
        recipe.store.access_key_env,
        recipe.store.secret_key_env,
        OBJECT_STORE,
        QUIET,
        *_HUB_VARIABLES,
    }
    passed = {
        name: value for name, value in os.environ.items() if name in named or name.startswith("MLFLOW_")
    }
    own = {
        WORK_DIR: str(folder.work),
        RUN_ID: folder.id,
        CACHE_VARIABLE: str(cache_folder().absolute()),
        # The image knows no name for this process's user number, and some libraries ask for one.
        "USER": _user_name(),
    }
    if recipe.student.model.startswith("hf://"):
        own["HF_HOME"] = str(_hub_folder())
    return {**passed, **own, **environment}


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _hub_folder() -> Path:
    return Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").absolute()


def _mounts(recipe: Recipe, folder: RunFolder, variables: Mapping[str, str]) -> dict[Path, bool]:
    """Folder or file of this machine that the steps see under the same path → whether they only read it."""
    written = [folder.work, Path(variables[CACHE_VARIABLE])]
    if database := sqlite_folder(variables.get(TRACKING_URI, "")):
        written.append(database)
    if "HF_HOME" in variables:
        written.append(Path(variables["HF_HOME"]))
    stores = (recipe.store.url, recipe.data.store)
    written += [_local_path(url) for url in stores if url and url.startswith("file://")]
    for path in written:
        path.mkdir(parents=True, exist_ok=True)
    references = (
        recipe.generate.seeds,
        recipe.evaluate.pack,
        recipe.evaluate.strategies_file or "bundled://",
        recipe.student.model,
        recipe.teacher.model if recipe.teacher.base_url is None else "bundled://",
        recipe.judge.endpoint.model if recipe.judge.endpoint.base_url is None else "bundled://",
    )
    local = [_local_path(name) for name in references if name.startswith("file://") or "://" not in name]
    # A file that is missing is left to the step that needs it, which says so in its own words.
    return {path: True for path in local if path.exists()} | dict.fromkeys(written, False)


def _local_path(reference: str) -> Path:
    return Path(reference.removeprefix("file://")).expanduser().absolute()
