"""The train step handed to Kubeflow Trainer: rows onto the shared claim, a TrainJob, its result back.

What happens when:

- The launcher (this process) is killed outright: the TrainJob trains on. A new attempt finds it by its
  name, which the run and the work decide, and follows it.
- The launcher is asked to stop (SIGTERM, Ctrl-C; a run that is terminated in the UI): it deletes the
  TrainJob, so that no GPU is held by a run that nobody waits for. Its processes are asked to save a
  checkpoint; a new attempt goes on from the newest whole one.
- A node fails: Kubernetes starts it anew, and training goes on from the last checkpoint. When it fails
  too often, or a process leaves an error that no new start mends, the step fails with those words.
- The launcher ends well but its outputs are lost on the way: the trained model is still in the run's
  work folder, and a new attempt takes it from there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gukbap.adapters.kubernetes_cluster import KubernetesCluster, OwnPod, open_cluster
from gukbap.adapters.train_job import Place, train_job_manifest
from gukbap.adapters.train_job_pods import pod_settings
from gukbap.adapters.train_jobs import TrainJobs
from gukbap.config import ClusterConfig, TrainSettings
from gukbap.errors import ConfigError, GukbapError
from gukbap.files import atomic_folder, folder_fingerprint, sha256_file, sha256_text, write_json
from gukbap.handover import POD_NAME, RUN_ID, SHARED_DIR
from gukbap.interruption import terminating_as_interrupt
from gukbap.ports import Progress
from gukbap.schemas import Row
from gukbap.stages.train.identity import CHECKPOINTS
from gukbap.stages.train.launch import left_statistics, over_nodes, write_job
from gukbap.stages.training_input import read_training
from gukbap.workers import context
from gukbap.workers.context import Outcome, leaving_errors
from gukbap.workers.train_watch import POLL_SECONDS, TrainWatch


@leaving_errors
def run_train_job(
    settings: TrainSettings,
    *,
    cluster: ClusterConfig,
    image: str,
    task_config: Mapping[str, Any],
    train_rows: Path,
    validation_rows: Path,
    model: Path,
    statistics: Path,
    api: KubernetesCluster | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> Outcome:
    """Fine-tune the student on the nodes of a TrainJob; writes the model folder.

    Args:
        settings: `train.processes` is the number of processes on each of `cluster.nodes` nodes.
        image: of the training nodes.
        task_config: what the pipeline has set on the step (`dsl.TaskConfig` as a mapping).
        api: the cluster; the one around this process where None.
        poll_seconds: time between two looks at the TrainJob.

    Raises:
        ConfigError: no shared folder, no cluster, or settings that do not fit together.
        MissingRightError: the service account lacks a right, which is named.
        StageFailedError: a training process failed, with its own words and exit code.
        GukbapError: the TrainJob failed or is gone.
        KeyboardInterrupt: the launcher was asked to stop; the TrainJob is deleted.
    """
    progress = context.progress()
    rows, validation = read_training(train_rows, Row), read_training(validation_rows, Row)
    inputs = (sha256_file(train_rows), sha256_file(validation_rows), f"{cluster.nodes} nodes")
    shared, run_id, api = _surroundings(api)
    folder = context.stage_folder(settings, inputs)
    world = _world(settings, cluster)
    training = _Training(
        TrainJobs(api), f"gukbap-train-{sha256_text(run_id + folder.name)[:16]}", folder, progress
    )
    own = _own_pod(api)
    place = Place(training.name, run_id, training.job, shared, own.service_account, own.owner)
    manifest = train_job_manifest(settings, cluster, place, image=image, pods=pod_settings(task_config))

    with context.tracked(settings.step, settings) as log:
        if not training.finished:
            write = _Writer(training, world, rows, validation, log.tracker.run_id)
            training.run(manifest, write, cluster.nodes, poll_seconds)
        with atomic_folder(model) as target:
            shutil.copytree(training.output, target, dirs_exist_ok=True)
        outcome = Outcome(
            training.statistics, {"sha256": folder_fingerprint(model), "student": settings.student.model}
        )
        log(outcome)
    write_json(statistics, outcome.statistics)
    training.clear()
    return outcome


@dataclass(frozen=True)
class _Training:
    """A training on the shared claim, and the TrainJob that does it."""

    jobs: TrainJobs
    name: str
    folder: Path
    progress: Progress

    @property
    def job(self) -> Path:
        return self.folder / "job"

    @property
    def output(self) -> Path:
        return self.folder / "model"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def statistics(self) -> dict[str, Any]:
        found = left_statistics(self.job)
        assert found is not None, "asked for before the training has finished"
        return found

    @property
    def finished(self) -> bool:
        """Whether the result is whole: the statistics are the last file that is written."""
        return left_statistics(self.job) is not None and self.output.is_dir()

    def run(self, manifest: Mapping[str, Any], write: _Writer, nodes: int, poll_seconds: float) -> None:
        """Make the TrainJob, or find it, and wait for the result; an interruption deletes it."""
        watch = TrainWatch(self.jobs, self.name, self.progress, poll_seconds)
        with terminating_as_interrupt(), self._deleting_when_stopped():
            self._submit(manifest, write, watch)
            watch.until_finished(self.job, nodes, lambda: self.finished)

    def _submit(self, manifest: Mapping[str, Any], write: _Writer, watch: TrainWatch) -> None:
        state = self.jobs.find(self.name)
        if state and not state.going and state.condition not in ("Failed", "Complete"):
            self.progress.say(f"the TrainJob {self.name} of an earlier attempt is followed")
            return
        if state:
            self.jobs.remove(self.name)
            watch.await_removal()
        write()
        if self.jobs.create(manifest):
            self.progress.say(f"training is handed over to the TrainJob {self.name}")

    @contextmanager
    def _deleting_when_stopped(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.progress.say(f"stopping: the TrainJob {self.name} is deleted, its checkpoints stay")
            try:
                self.jobs.remove(self.name)
            except GukbapError as error:
                self.progress.say(f"it is not deleted: {error}")
            raise

    def clear(self) -> None:
        """Remove the TrainJob and the checkpoints; the model stays for a further attempt at this step."""
        try:
            self.jobs.remove(self.name)
        except GukbapError as error:
            # The result is in its place: a TrainJob that lingers, finished, is no reason to lose it.
            self.progress.say(f"the TrainJob {self.name} is not removed: {error}")
        shutil.rmtree(self.work / CHECKPOINTS, ignore_errors=True)


@dataclass(frozen=True)
class _Writer:
    """Writes the job folder of a training."""

    training: _Training
    settings: TrainSettings
    rows: list[Row]
    validation: list[Row]
    tracked_run: str | None

    def __call__(self) -> None:
        there = self.training
        # The model is None: the first node fetches it, since the launcher's image has neither torch nor
        # a hub's client.
        write_job(
            there.job,
            self.settings,
            self.rows,
            self.validation,
            model=None,
            output=there.output,
            work=there.work,
            tracked_run=self.tracked_run,
        )


def _surroundings(api: KubernetesCluster | None) -> tuple[Path, str, KubernetesCluster]:
    shared, run_id = context.shared_folder(), os.environ.get(RUN_ID)
    if shared is None or run_id is None:
        missing = SHARED_DIR if shared is None else RUN_ID
        raise ConfigError(
            f"cluster.trainer is trainjob, and {missing} is not set",
            expected="a step of a run on a cluster, with the work claim mounted",
            fix="set cluster.work_claim and submit the recipe to Kubeflow Pipelines, or cluster.trainer=pod",
        )
    found = api or open_cluster()
    if found is None:
        raise ConfigError(
            "a TrainJob needs a cluster, and this process runs in none",
            fix="submit the recipe to Kubeflow Pipelines",
        )
    return shared, run_id, found


def _own_pod(api: KubernetesCluster) -> OwnPod:
    name = os.environ.get(POD_NAME)
    return api.own_pod(name) if name else OwnPod(None, None)


def _world(settings: TrainSettings, cluster: ClusterConfig) -> TrainSettings:
    world = over_nodes(settings, cluster.nodes)
    with suppress(ValidationError):
        return TrainSettings.model_validate(world.model_dump())
    raise ConfigError(
        f"cluster.nodes × train.processes is {world.train.processes}",
        expected="a number of processes that train.processes allows",
        fix="lower cluster.nodes or train.processes",
    )
