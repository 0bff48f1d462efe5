"""All checks, one after the other; what stops one does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gukbap.adapters.cluster_checks.access import check_api, check_rights
from gukbap.adapters.cluster_checks.images import check_images
from gukbap.adapters.cluster_checks.nodes import check_nodes
from gukbap.adapters.cluster_checks.objects import (
    check_claim,
    check_config_map,
    check_pod_security,
    check_pull_secret,
    check_runtime,
    check_secret,
    check_storage_class,
)
from gukbap.adapters.cluster_checks.services import check_bucket, check_mlflow, check_pipelines
from gukbap.adapters.cluster_checks.subject import Subject
from gukbap.adapters.findings import Finding, Status, not_checked
from gukbap.adapters.kubernetes_errors import ClusterUnreachableError, MissingRightError
from gukbap.adapters.redaction import redacted
from gukbap.errors import GukbapError

Check = Callable[[Subject], Iterator[Finding]]

#: name, check, and whether the API server must answer for it
_CHECKS: tuple[tuple[str, Check, bool], ...] = (
    ("rights", check_rights, True),
    ("nodes", check_nodes, True),
    ("secret", check_secret, True),
    ("pull secret", check_pull_secret, True),
    ("config map", check_config_map, True),
    ("work claim", check_claim, True),
    ("storage class", check_storage_class, True),
    ("pod security", check_pod_security, True),
    ("training runtime", check_runtime, True),
    ("images", check_images, True),
    ("pipelines", check_pipelines, False),
    ("mlflow", check_mlflow, False),
    ("bucket", check_bucket, False),
)


def check_cluster(subject: Subject) -> Iterator[Finding]:
    """Everything that `gukbap doctor --cluster` looks at; takes a minute at most where nothing answers."""
    reachable = True
    for finding in _findings("api", check_api, subject):
        reachable = reachable and finding.status != "problem"
        yield finding
    for name, check, needs_api in _CHECKS:
        if needs_api and not reachable:
            yield not_checked(name, "the API server cannot be asked")
        else:
            yield from _findings(name, check, subject)


def _findings(name: str, check: Check, subject: Subject) -> Iterator[Finding]:
    try:
        yield from check(subject)
    except MissingRightError as error:
        # The one who looks may have fewer rights than the pipeline: that says nothing about the cluster.
        status: Status = "problem" if name == "api" else "warning"
        yield Finding(name, status, f"not checked: {error.problem}", error.fix)
    except ClusterUnreachableError as error:
        yield Finding(name, "problem", error.problem, error.fix)
    except GukbapError as error:
        yield Finding(name, "problem", error.problem, error.fix or error.expected)
    except Exception as error:  # one check that breaks must not hide what the others find
        yield Finding(name, "problem", f"the check failed: {type(error).__name__}: {redacted(str(error))}")
