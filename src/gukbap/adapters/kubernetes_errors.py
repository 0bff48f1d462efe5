"""What a cluster's API server refuses, in words that name what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gukbap.errors import GukbapError

#: RBAC's refusal, as the API server words it.
_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" '
    r'in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)
#: How long one request may take, in seconds: to connect, and to answer.
REQUEST_SECONDS = (10.0, 30.0)


class ClusterUnreachableError(GukbapError):
    """The API server does not answer, or says that it cannot at the moment: trying again may help."""


class MissingRightError(GukbapError):
    """The service account lacks a right."""


class ClusterRefusalError(GukbapError):
    """The API server refuses a request for another reason than RBAC.

    Args:
        status: the HTTP status.
    """

    def __init__(self, problem: str, *, status: int, fix: str | None = None) -> None:
        super().__init__(problem, fix=fix)
        self.status = status


@contextmanager
def explained_refusals(what: str) -> Iterator[None]:
    """Turn the client's exceptions into errors that a person reads.

    Args:
        what: the work that was tried, as it follows "cannot": "list the pods of run x".

    Raises:
        MissingRightError: RBAC refuses; verb, resource and namespace are named.
        ClusterUnreachableError: no answer, or 429 or 5xx.
        ClusterRefusalError: any other refusal; `status` tells which.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise _refusal(error, what) from error
    except (HTTPError, OSError) as error:
        raise ClusterUnreachableError(
            f"cannot {what}: the cluster's API server does not answer ({type(error).__name__})",
            fix="check the cluster and the network policy of this namespace, and run again",
        ) from error


def found_or_none(request: Callable[[], Any], what: str) -> Any:
    """What a request returns; None where the object, or its kind, is not in the cluster."""
    try:
        with explained_refusals(what):
            return request()
    except ClusterRefusalError as error:
        if error.status == 404:
            return None
        raise


def _refusal(error: Any, what: str) -> GukbapError:
    status, message = int(error.status or 0), _message(error)
    if status == 403 and (match := _FORBIDDEN.search(message)):
        return _missing_right(match, what)
    if status == 401:
        return MissingRightError(
            f"cannot {what}: the API server does not know this service account's token",
            fix="check that the pod has a service account whose token is mounted",
        )
    if status in (0, 429) or status >= 500:
        return ClusterUnreachableError(
            f"cannot {what}: the API server answers {status or 'nothing'} ({message})", fix="run again"
        )
    return ClusterRefusalError(f"cannot {what}: the API server answers {status}: {message}", status=status)


def _missing_right(match: re.Match[str], what: str) -> MissingRightError:
    verb, resource, group = match["verb"], match["resource"], match["group"]
    named = f"{resource}.{group}" if group else resource
    where = f"in the namespace {match['namespace']}" if match["namespace"] else "in the whole cluster"
    return MissingRightError(
        f"cannot {what}: {match['user']} may not {verb} {named} {where}",
        expected=f'a Role with apiGroups ["{group}"], resources ["{resource}"], verbs ["{verb}"]',
        fix=f"bind such a Role to {match['user']} {where}",
    )


def _message(error: Any) -> str:
    """The `message` of the Status object in the answer, or what else there is."""
    try:
        body = json.loads(error.body)
        return str(body["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason or error.body or "no reason given")
