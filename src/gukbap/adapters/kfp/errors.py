"""What the API, its gateway and the network report, as one clear error.

ClusterError
├── UnreachableError   no answer, or an answer that says "not now": worth another try
├── AccessError        401, 403, or a redirect to a log-in page
├── NotKfpError        something answers that is not KFP's v2beta1 API
├── MissingError       404: the object is not there
├── ConflictError      409: the name is taken
└── RefusedError       any other refusal

The API answers refusals of its gRPC services as google.rpc.Status ({"code", "message", "details"};
the outer message carries the wrapped internal error, the one in `details` is meant for people), and
those of its upload handlers as {"error_message", "error_details"}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gukbap.errors import ClusterError, GukbapError

#: google.rpc.Code
NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, UNAUTHENTICATED = 5, 6, 7, 16
_LONGEST_MESSAGE = 400
_TRANSIENT = {408, 429, 500, 502, 503, 504}


class UnreachableError(ClusterError):
    """The API does not answer, or not now; another try may help."""


class AccessError(ClusterError):
    """The API refuses the token, or the rights that come with it."""


class NotKfpError(ClusterError):
    """The endpoint answers, but not as KFP's v2beta1 API does."""


class MissingError(ClusterError):
    """The API has no such object."""


class ConflictError(ClusterError):
    """The name is taken."""


class RefusedError(ClusterError):
    """The API refuses or fails; `transient` says whether another try may help."""

    def __init__(self, problem: str, *, transient: bool, fix: str | None = None) -> None:
        self.transient = transient
        super().__init__(problem, fix=fix)


def may_pass(error: ClusterError) -> bool:
    """Whether the same call may succeed later without anybody doing anything."""
    return isinstance(error, UnreachableError) or (isinstance(error, RefusedError) and error.transient)


@contextmanager
def explained(endpoint: str, what: str, hide: Callable[[str], str]) -> Iterator[None]:
    """Turn errors of kfp_server_api and urllib3 into the errors above.

    Args:
        endpoint: the API's address, safe to show.
        what: what the call was to do, as in "to list runs".
        hide: takes secrets out of a text.
    """
    from kfp_server_api.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    # Causes are dropped: their texts carry headers and URLs, and --debug prints them.
    try:
        yield
    except GukbapError:
        raise
    except ApiException as error:
        raise _refusal(endpoint, what, error, hide) from None
    except HTTPError as error:
        raise _unreachable(endpoint, error, hide) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The generated client takes any answer for its own and trips over it.
        raise not_kfp(endpoint, f"it cannot be read ({type(error).__name__})") from None


def not_kfp(endpoint: str, because: str) -> NotKfpError:
    """The error for an endpoint that is something else."""
    return NotKfpError(
        f"{endpoint} is not the Kubeflow Pipelines API: {because}",
        expected="the address of ml-pipeline, or of the UI before it; /apis/v2beta1/healthz answers there",
        fix="correct --endpoint or KF_PIPELINES_ENDPOINT",
    )


def _unreachable(endpoint: str, error: Exception, hide: Callable[[str], str]) -> ClusterError:
    said = hide(str(getattr(error, "reason", None) or error)).split("\n")[0][:_LONGEST_MESSAGE]
    if "SSL" in said or "certificate" in said.lower() or "TLS" in said:
        return ClusterError(
            f"no trusted TLS connection to {endpoint}: {said}",
            fix="use the scheme and host name that the certificate is for; for a cluster's own authority "
            "set SSL_CERT_FILE to its certificates",
        )
    return UnreachableError(
        f"Kubeflow Pipelines at {endpoint} cannot be reached: {said}",
        fix="check --endpoint or KF_PIPELINES_ENDPOINT; from outside the cluster: "
        "kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888",
    )


def _refusal(endpoint: str, what: str, error: Any, hide: Callable[[str], str]) -> ClusterError:
    status = int(error.status or 0)
    body = _body(error)
    code, said = body.get("code"), _message(body, hide)
    if status == 401 or code == UNAUTHENTICATED:
        return AccessError(
            f"Kubeflow Pipelines at {endpoint} asks for a valid token {what}",
            fix="name one with --token-file, or mount a projected service-account token with the audience "
            "pipelines.kubeflow.org",
        )
    if status == 403 or code == PERMISSION_DENIED:
        return AccessError(
            f"Kubeflow Pipelines at {endpoint} does not allow {what}" + (f": {said}" if said else ""),
            fix="check --namespace and the rights (RBAC) of the token's account in it",
        )
    if 300 <= status < 400:
        return AccessError(
            f"{endpoint} redirects to a log-in page instead of answering",
            fix="name a token with --token-file, or use an endpoint inside the cluster",
        )
    if status in (502, 503, 504):
        return UnreachableError(f"Kubeflow Pipelines at {endpoint} is not ready (HTTP {status})")
    if not body:
        return not_kfp(endpoint, f"it answers HTTP {status} without an error of that API")
    problem = f"Kubeflow Pipelines at {endpoint} refuses {what}: {said or f'HTTP {status}'}"
    if code == NOT_FOUND:
        return MissingError(problem)
    # The upload handlers give no code; gRPC's Aborted is a 409 too, but no taken name.
    if code == ALREADY_EXISTS or (status == 409 and code is None):
        return ConflictError(problem)
    return RefusedError(problem, transient=status in _TRANSIENT)


def _body(error: Any) -> dict[str, Any]:
    try:
        body = json.loads(error.body)
    except (TypeError, ValueError):
        return {}
    known = isinstance(body, dict) and ({"code", "message", "error_message"} & body.keys())
    return body if known else {}


def _message(body: dict[str, Any], hide: Callable[[str], str]) -> str:
    details = body.get("details")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    text = first.get("message") or body.get("error_message") or body.get("message") or ""
    return hide(" ".join(str(text).split()))[:_LONGEST_MESSAGE]
