"""Kubeflow Pipelines, MLflow and the bucket, as far as they can be reached from here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from gukbap.adapters.cluster_checks.subject import Subject
from gukbap.adapters.findings import Finding, not_checked
from gukbap.adapters.kubernetes_cluster import IN_CLUSTER
from gukbap.adapters.kubernetes_errors import ClusterRefusalError, ClusterUnreachableError, MissingRightError
from gukbap.adapters.mlflow_probe import ask_mlflow
from gukbap.adapters.redaction import redacted
from gukbap.adapters.s3_probe import quick_client, round_trip
from gukbap.errors import StoreError, UsageError
from gukbap.handover import OBJECT_STORE, TRACKING_URI

#: the oldest Kubeflow Pipelines that the pipeline is written for
OLDEST_PIPELINES = (2, 14)


def check_pipelines(subject: Subject) -> Iterator[Finding]:
    """That the API answers, and its version."""
    from gukbap.adapters.kfp import connect

    try:
        connection = connect(subject.endpoint, subject.token_file, subject.profile)
    except UsageError as error:
        yield not_checked("pipelines", error.problem, error.fix or error.expected)
        return
    told = str(connection.healthz().get("tag_name") or "unknown")
    version = re.match(r"v?(\d+)\.(\d+)", told)
    detail = f"{connection.endpoint} is Kubeflow Pipelines, version {told}"
    oldest = ".".join(map(str, OLDEST_PIPELINES))
    if version is None:
        yield Finding("pipelines", "warning", detail, f"see that it is {oldest} or newer")
    elif (int(version[1]), int(version[2])) < OLDEST_PIPELINES:
        yield Finding("pipelines", "problem", f"{detail}; needed is {oldest} or newer", "upgrade it")
    else:
        yield Finding("pipelines", "ok", detail)


def check_mlflow(subject: Subject) -> Iterator[Finding]:
    """That MLflow's interface answers those who ask by the name that the steps use."""
    from urllib3.exceptions import HTTPError

    tracking = subject.recipe.tracking
    if not tracking.enabled:
        yield Finding("mlflow", "ok", "tracking is off")
        return
    inside = tracking.uri or _address(subject, TRACKING_URI)
    here = subject.environment.get(TRACKING_URI) or inside
    if not here or not here.startswith("http"):
        yield not_checked("mlflow", f"no address is known ({TRACKING_URI})")
        return
    host = urlsplit(inside).netloc.rpartition("@")[2] if inside and inside.startswith("http") else None
    place = redacted(here)
    try:
        reply = ask_mlflow(here, host=host, environment=subject.environment)
    except HTTPError as error:
        if here == inside and IN_CLUSTER not in subject.environment:
            service = urlsplit(here).hostname
            fix = f"kubectl port-forward svc/{service} 5000, and {TRACKING_URI}=http://localhost:5000"
            yield not_checked("mlflow", f"{place} does not answer outside of the cluster", fix)
        else:
            detail = f"{place} does not answer ({type(error).__name__})"
            yield Finding("mlflow", "problem", detail, f"check that it runs, and {TRACKING_URI}")
        return
    if reply.works:
        yield Finding("mlflow", "ok", f"{place} answers" + (f" as {host}" if host else ""))
    elif reply.refuses_host:
        name = (host or urlsplit(here).netloc).partition(":")[0]
        yield Finding(
            "mlflow",
            "problem",
            f"{place} refuses with 403 who asks for {host or name}, though its /health says 200",
            f"start mlflow server with --allowed-hosts '{name}:*,localhost:*,127.0.0.1:*'",
        )
    elif reply.status in (401, 403):
        fix = "set MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN"
        yield Finding("mlflow", "problem", f"{place} refuses access ({reply.status})", fix)
    else:
        detail = f"{place} answers {reply.status} where MLflow's interface should be"
        yield Finding("mlflow", "problem", detail, f"correct {TRACKING_URI}")


def check_bucket(subject: Subject) -> Iterator[Finding]:
    """Write, read and delete an object under the recipe's prefix, where keys and address are at hand."""
    store = subject.recipe.store
    if not (store.url or "").startswith("s3://"):
        yield Finding("bucket", "ok", "the recipe names no bucket (store.url)")
        return
    endpoint = store.endpoint_url or subject.environment.get(OBJECT_STORE)
    names = (store.access_key_env, store.secret_key_env)
    keys = [subject.environment.get(name) for name in names]
    if not endpoint or not all(keys):
        lacking = [
            *([] if endpoint else [OBJECT_STORE]),
            *(n for n, k in zip(names, keys, strict=True) if not k),
        ]
        fix = "set them here for this check; the values in the cluster's secret are never used"
        yield not_checked("bucket", f"{', '.join(lacking)} not set", fix)
        return
    yield _round_trip(subject)


def _round_trip(subject: Subject) -> Finding:
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    from gukbap.adapters.minio_store import MinioStore

    config = subject.recipe.store
    keys = [subject.environment[name] for name in (config.access_key_env, config.secret_key_env)]
    store = MinioStore.from_url(config, subject.environment, create=False)
    try:
        prefix = f"{store.prefix}/" if store.prefix else ""
        round_trip(quick_client(store.endpoint, *keys), store.bucket, prefix)
    except S3Error as error:
        # Wrong keys and a wrong clock, in the store's own words; it has patience, so it is not asked first.
        store.holds("probe")
        lacking = "there is no such bucket" if error.code == "NoSuchBucket" else f"it answers {error.code}"
        return Finding(
            "bucket",
            "problem",
            f"{config.url} at {store.endpoint} cannot be written, read and deleted in: {lacking}",
            "create it" if error.code == "NoSuchBucket" else "let the keys get, put and delete objects",
        )
    except (MinioException, HTTPError) as error:
        raise StoreError(f"{store.endpoint} does not answer ({type(error).__name__})") from None
    return Finding("bucket", "ok", f"{config.url} at {store.endpoint}: written, read and deleted")


def _address(subject: Subject, name: str) -> str | None:
    try:
        return subject.addresses.get(name)
    except (MissingRightError, ClusterUnreachableError, ClusterRefusalError):
        return None  # the finding on the ConfigMap, or on the API, tells it
