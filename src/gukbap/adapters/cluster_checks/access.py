"""The API server, and what the caller may do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from gukbap.adapters.cluster_checks.subject import Subject
from gukbap.adapters.findings import Finding
from gukbap.adapters.kubernetes_cluster import TRAIN_JOB_API, TRAIN_JOBS
from gukbap.config import Recipe

#: Kubernetes: what the chart's kubeVersion asks for, and the newest that its manifests were checked for
OLDEST, NEWEST = (1, 25), (1, 37)


def check_api(subject: Subject) -> Iterator[Finding]:
    """That the API server answers, and with which version."""
    from kubernetes.client import VersionApi

    version = subject.ask(VersionApi(subject.cluster.client).get_code, "ask for the version")
    if version is None:
        fix = "check `kubectl config current-context`"
        yield Finding("api", "problem", "the server of this kubeconfig is no Kubernetes API server", fix)
        return
    # The minor version of some vendors reads "31+".
    number = (int(version.major), int(re.sub(r"\D", "", version.minor)))
    detail = f"{subject.cluster.client.configuration.host} is Kubernetes {version.git_version}"
    if number < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Finding("api", "problem", f"{detail}; needed is {oldest} or newer", "upgrade the cluster")
    elif number > NEWEST:
        newest = ".".join(map(str, NEWEST))
        yield Finding("api", "warning", f"{detail}, which is newer than what was tried", f"tried: {newest}")
    else:
        yield Finding("api", "ok", detail)


@dataclass(frozen=True)
class Right:
    """One verb on one resource of the pipeline's namespace."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    @property
    def on(self) -> str:
        """The resource as RBAC names it, with its group."""
        part = f"/{self.subresource}" if self.subresource else ""
        return f"{self.resource}{part}" + (f".{self.group}" if self.group else "")


def rights_of(recipe: Recipe) -> list[Right]:
    """What the pipeline's service account does in its namespace (see kubernetes_cluster, train_jobs)."""
    rights = [Right(verb, "pods") for verb in ("get", "list")]
    for resource, group in (("deployments", "apps"), ("services", ""), ("jobs", "batch")):
        rights += [Right(verb, resource, group) for verb in ("list", "delete")]
    if recipe.cluster.trainer == "trainjob":
        verbs = ("create", "get", "list", "delete")
        rights += [Right(verb, TRAIN_JOBS, TRAIN_JOB_API[0]) for verb in verbs]
        rights.append(Right("get", "pods", subresource="log"))
    return rights


def check_rights(subject: Subject) -> Iterator[Finding]:
    """Ask for each right whether the caller has it (SelfSubjectAccessReview)."""
    wanted = rights_of(subject.recipe)
    missing = [right for right in wanted if not _has(subject, right)]
    if not missing:
        yield Finding("rights", "ok", f"all {len(wanted)} that the steps use in {subject.namespace}")
        return
    by_resource: dict[str, list[str]] = defaultdict(list)
    for right in missing:
        by_resource[right.on].append(right.verb)
    told = "; ".join(f"{', '.join(verbs)} {on}" for on, verbs in by_resource.items())
    yield Finding(
        "rights",
        "problem",
        f"this account may not, in {subject.namespace}: {told}",
        "bind a Role with them to the pipeline's service account; this asks for the account of the "
        "kubeconfig: run the doctor in a pod of that service account to ask for it",
    )


def _has(subject: Subject, right: Right) -> bool:
    from kubernetes import client as api

    review = api.V1SelfSubjectAccessReview(
        spec=api.V1SelfSubjectAccessReviewSpec(
            resource_attributes=api.V1ResourceAttributes(
                namespace=subject.namespace,
                verb=right.verb,
                group=right.group,
                resource=right.resource,
                subresource=right.subresource or None,
            )
        )
    )
    ask = api.AuthorizationV1Api(subject.cluster.client).create_self_subject_access_review
    answer = subject.ask(ask, "ask for rights", review)
    return bool(answer and answer.status.allowed)
