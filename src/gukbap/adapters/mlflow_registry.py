"""MLflow's model registry: a version for each run's model, and what each was judged by.

The weights stay where they are: a version holds their URI. Every step may be repeated, and a process
may be killed between any two of them. Who is champion stands in mlflow_promotions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.adapters.mlflow_errors import again_on_conflict, explained
from gukbap.adapters.mlflow_promotions import CHALLENGER, PromotionLog
from gukbap.adapters.mlflow_sqlite import alone
from gukbap.adapters.mlflow_tracker import MlflowTracker
from gukbap.adapters.mlflow_values import safe_tags
from gukbap.adapters.mlflow_versions import aliases, delete_version, make_model, set_alias, set_tag, versions
from gukbap.adapters.redaction import redacted
from gukbap.errors import StoreError
from gukbap.files import sha256_file

VERDICT_TAG = "gukbap.verdict"
JUDGEMENTS_TAG, JUDGEMENTS_SHA256_TAG = "gukbap.judgements", "gukbap.judgements_sha256"
#: how those judgements came about, as JSON
EVALUATION_TAG = "gukbap.evaluation"
DECISION_TAG = "gukbap.decision"
#: `made` at first, and the verdict once all that follows from it is done
_PROMOTION_TAG = "gukbap.promotion"
_MADE = "made"
_MAX_DESCRIPTION = 5000
#: where a run's record and judgements lie among its artifacts
FOLDER = "promotion"
JUDGEMENTS, DECISION, DECISION_TEXT = "judgements.jsonl", "decision.json", "decision.md"


@dataclass(frozen=True)
class Registered:
    """A version of a registered model, and the aliases that lead to it."""

    model: str
    version: int
    source: str
    aliases: tuple[str, ...]


def source_uri(model_uri: str) -> str:
    """Where a model lies, as MLflow's clients understand it.

    Kubeflow Pipelines writes minio://bucket/key for an object of its S3 store; a path of this machine
    becomes a file URI.
    """
    if model_uri.startswith("minio://"):
        return "s3://" + model_uri.removeprefix("minio://")
    if "://" in model_uri:
        return redacted(model_uri)
    return Path(model_uri).absolute().as_uri()


def reason_against(tracker: MlflowTracker, model_uri: str) -> str | None:
    """Why a model cannot be registered there; None where it can be."""
    if tracker.uri.startswith("http") and source_uri(model_uri).startswith("file:"):
        return (
            f"the model lies on this machine alone ({model_uri}), and an MLflow server registers "
            "only what others can reach; name a bucket in store.url"
        )
    return None


def fetch_judgements(client: Any, name: str, number: int, target: Path) -> str | None:
    """Fetch the judgements of a version of the model `name` into a file; errors are MLflow's own.

    Returns:
        How they came about, as JSON; None where there are none, or other ones than were recorded.
    """
    tags = client.get_model_version(name, str(number)).tags
    run_id, _, path = tags.get(JUDGEMENTS_TAG, "").removeprefix("runs:/").partition("/")
    if not path or all(one.path != path for one in client.list_artifacts(run_id, FOLDER)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        got = Path(client.download_artifacts(run_id, path, folder))
        if sha256_file(got) != tags.get(JUDGEMENTS_SHA256_TAG):
            return None
        target.write_bytes(got.read_bytes())
    return str(tags.get(EVALUATION_TAG, "null"))


class ModelRegistry:
    """One registered model, as the run of a tracker sees it."""

    def __init__(self, tracker: MlflowTracker, name: str) -> None:
        """Make the model where it is missing, and find its log.

        Raises:
            StoreError: MLflow refuses or cannot be reached.
        """
        self._tracker, self._client, self._uri, self.name = tracker, tracker.client, tracker.uri, name
        with alone(self._uri), explained(self._uri):
            make_model(self._client, name)
        self.log = PromotionLog(self._client, self._uri, name)

    def own_version(self, model_uri: str, tags: Mapping[str, str]) -> int:
        """The version of the tracker's run and a source, made where there is none.

        Args:
            model_uri: a folder's path, or s3://, minio://, gs://, ….
            tags: labels of the version.
        """
        source = source_uri(model_uri)
        with alone(self._uri), explained(self._uri):
            version = self._own(source)
            if version is None:
                again_on_conflict(
                    lambda: self._client.create_model_version(
                        self.name,
                        source,
                        run_id=self._tracker.run_id,
                        tags={_PROMOTION_TAG: _MADE},
                        await_creation_for=None,
                    )
                )
                version = self._own(source)
                if version is None:
                    raise StoreError(f"MLflow does not show the version of {self.name} that was just made")
            self._label(version, tags)
        return int(version.version)

    def _own(self, source: str) -> Any | None:
        """The registry numbers versions in the order in which they are made, so of two attempts that make
        one each, both see the lower number, and both keep it."""
        found = [
            version
            for version in versions(self._client, self.name)
            if (version.run_id, version.source) == (self._tracker.run_id, source)
            and _PROMOTION_TAG in version.tags
        ]
        for surplus in found[1:]:
            delete_version(self._client, self.name, surplus)
        return found[0] if found else None

    def _label(self, version: Any, tags: Mapping[str, str]) -> None:
        for key, text in safe_tags(tags).items():
            if version.tags.get(key) != text:
                set_tag(self._client, self.name, int(version.version), key, text)

    def verdict_of(self, number: int) -> str | None:
        """The verdict on a version, where everything that follows from it is done."""
        with explained(self._uri):
            found: str = self._client.get_model_version(self.name, str(number)).tags.get(
                _PROMOTION_TAG, _MADE
            )
        return None if found == _MADE else found

    def settle(self, number: int, verdict: str, description: str) -> Registered:
        """Note a version's verdict, and lead `challenger` to the newest version.

        Args:
            number: of the version.
            verdict: promoted, held or refused.
            description: what people read beside the version.
        """
        with alone(self._uri), explained(self._uri):
            version = self._client.get_model_version(self.name, str(number))
            text = redacted(description)[:_MAX_DESCRIPTION]
            if version.description != text:
                self._client.update_model_version(self.name, str(number), description=text)
            self._label(version, {VERDICT_TAG: verdict})
            if version.tags.get(_PROMOTION_TAG) != verdict:
                self._advance_challenger()
                set_tag(self._client, self.name, number, _PROMOTION_TAG, verdict)
            held = aliases(self._client, self.name)
        names = tuple(sorted(alias for alias, led in held.items() if led == number))
        return Registered(self.name, number, str(version.source), names)

    def _advance_challenger(self) -> None:
        """Another run may do the same meanwhile. Each looks once more after it has written, so whoever is
        last leaves the newest."""
        while True:
            # A version without a verdict may be a surplus one that is soon deleted.
            found = [one for one in versions(self._client, self.name) if VERDICT_TAG in one.tags]
            newest = max(int(version.version) for version in found)
            if aliases(self._client, self.name).get(CHALLENGER, 0) >= newest:
                return
            set_alias(self._client, self.name, CHALLENGER, newest)

    def keep_judgements(self, number: int, file: Path, evaluation: str) -> None:
        """Keep the judgements by which a version can be compared with, as an artifact of the run."""
        with explained(self._uri):
            version = self._client.get_model_version(self.name, str(number))
            digest = sha256_file(file)
            if version.tags.get(JUDGEMENTS_SHA256_TAG) != digest:
                self._client.log_artifact(self._tracker.run_id, str(file), FOLDER)
            tags = {
                JUDGEMENTS_TAG: f"runs:/{self._tracker.run_id}/{FOLDER}/{JUDGEMENTS}",
                JUDGEMENTS_SHA256_TAG: digest,
                EVALUATION_TAG: evaluation,
            }
            self._label(version, tags)

    def judgements_of(self, number: int, target: Path) -> str | None:
        """Fetch the judgements of a version into a file.

        Returns:
            How they came about, as JSON; None where there are none, or other ones than were recorded.
        """
        with explained(self._uri):
            return fetch_judgements(self._client, self.name, number, target)

    def record(self, number: int, document: str, text: str) -> None:
        """Keep a decision as artifacts of the run, and lead to it from the version."""
        with explained(self._uri):
            for name, content in ((DECISION, document), (DECISION_TEXT, text)):
                self._client.log_text(self._tracker.run_id, content, f"{FOLDER}/{name}")
            version = self._client.get_model_version(self.name, str(number))
            self._label(version, {DECISION_TAG: f"runs:/{self._tracker.run_id}/{FOLDER}/{DECISION}"})

    def recorded(self) -> str | None:
        """The decision that the run has recorded, JSON; None where there is none."""
        path = f"{FOLDER}/{DECISION}"
        with explained(self._uri):
            if all(one.path != path for one in self._client.list_artifacts(self._tracker.run_id, FOLDER)):
                return None
            with tempfile.TemporaryDirectory() as folder:
                found = Path(self._client.download_artifacts(self._tracker.run_id, path, folder))
                return found.read_text(encoding="utf-8")
