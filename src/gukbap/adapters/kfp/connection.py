"""One way to call the API: endpoint, namespace, token, time limits."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from gukbap.adapters.kfp.errors import explained, may_pass, not_kfp
from gukbap.adapters.kfp.tokens import TokenFile, find_token, hidden_in
from gukbap.errors import ClusterError, UsageError
from gukbap.handover import PIPELINES_API
from gukbap.ports import Progress

#: where a pod of the cluster finds the API (kfp.Client uses the same name)
IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_IN_CLUSTER_SIGN = "KUBERNETES_SERVICE_HOST"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

#: seconds to connect and to wait for an answer; the client ignores a limit that is not a pair
TIME_LIMITS = (10, 60)
_PAGE = 100
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class Connection:
    """KFP's services, called with a token and time limits.

    Attributes:
        endpoint: the API's address, safe to show.
        namespace: the profile's namespace of a multi-user installation, else None.
        api: the module kfp_server_api, for its request models.
        pipelines, uploads, experiments, recurring_runs, runs: kfp_server_api's services.
    """

    def __init__(self, endpoint: str, token: TokenFile | None, namespace: str | None) -> None:
        self.api = _client_module()
        self.namespace = namespace
        self._token = token
        self._client = self.api.ApiClient(self._configuration(endpoint))
        self.endpoint = self.hide(endpoint)
        self.pipelines: Any = self.api.PipelineServiceApi(self._client)
        self.uploads: Any = self.api.PipelineUploadServiceApi(self._client)
        self.experiments: Any = self.api.ExperimentServiceApi(self._client)
        self.recurring_runs: Any = self.api.RecurringRunServiceApi(self._client)
        self.runs: Any = self.api.RunServiceApi(self._client)

    def _configuration(self, endpoint: str) -> Any:
        import urllib3

        configuration = self.api.Configuration(host=endpoint)
        # No hidden second try of a write, and no silent walk to a log-in page.
        configuration.retries = urllib3.Retry(connect=0, read=0, status=0, other=0, redirect=False)
        # The client trusts certifi's list alone; a cluster often has its own authority.
        configuration.ssl_ca_cert = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
        if self._token is not None:
            configuration.api_key = {"authorization": self._token.read()}
            configuration.api_key_prefix = {"authorization": "Bearer"}
            configuration.refresh_api_key_hook = self._token.refresh
        return configuration

    def hide(self, text: str) -> str:
        """A text without the token and without other secrets."""
        return hidden_in(text, self._token)

    def call(self, what: str, request: Any, *arguments: Any, **options: Any) -> Any:
        """Call one method of a service.

        Args:
            what: what it is to do, for an error: "to list runs".
            request: a bound method of one of the services.
            arguments: its positional arguments.
            options: its keyword arguments; those that are None are left out.

        Raises:
            ClusterError: see gukbap.adapters.kfp.errors.
        """
        given = {name: value for name, value in options.items() if value is not None}
        with explained(self.endpoint, what, self.hide):
            answer = request(*arguments, _request_timeout=TIME_LIMITS, **given)
            # The client reads a page of HTML as an object whose fields are all empty: as an empty list.
            kind = self._client.last_response.getheader("Content-Type") or "nothing"
        if "json" not in kind:
            raise not_kfp(self.endpoint, f"it answers {kind} where JSON was asked for")
        return answer

    def get(self, what: str, path: str, *, text: bool = False, **path_values: str) -> Any:
        """GET a path that the generated client has no method for; JSON, or the plain text."""
        with explained(self.endpoint, what, self.hide):
            answer = self._client.call_api(
                path,
                "GET",
                path_params=path_values,
                header_params={"Accept": "text/plain" if text else "application/json"},
                response_type="bytes" if text else "object",
                auth_settings=["Bearer"],
                _return_http_data_only=True,
                _preload_content=not text,
                _request_timeout=TIME_LIMITS,
            )
            return answer.data.decode("utf-8", errors="replace") if text else answer

    def every(self, what: str, request: Any, field: str, *arguments: Any, **options: Any) -> Iterator[Any]:
        """The objects of a list call, page by page (100 a page), in the server's order."""
        token: str | None = None
        while True:
            page = self.call(what, request, *arguments, page_size=_PAGE, page_token=token, **options)
            yield from getattr(page, field, None) or []
            token = page.next_page_token
            if not token:
                return

    def healthz(self) -> dict[str, Any]:
        """The API's own report of itself; NotKfpError where something else answers."""
        answer = self.get("to report its health", "/apis/v2beta1/healthz")
        if not isinstance(answer, dict):
            raise not_kfp(self.endpoint, "its /apis/v2beta1/healthz answers no JSON")
        return answer


def connect(
    endpoint: str | None = None,
    token_file: Path | None = None,
    namespace: str | None = None,
    *,
    wait: float = 0.0,
    progress: Progress | None = None,
) -> Connection:
    """Find the API and make sure that it is KFP's.

    Args:
        endpoint: its address; else KF_PIPELINES_ENDPOINT; else, in a pod, the service ml-pipeline.
        token_file: a file with a bearer token; else KF_PIPELINES_SA_TOKEN_PATH or the projected
            service-account token, where there is one.
        namespace: the profile's namespace of a multi-user installation; the pod's own by default.
        wait: seconds to wait for an API that is still starting.
        progress: where the wait is shown.

    Raises:
        UsageError: no endpoint or no namespace is known, or the endpoint or token file is malformed.
        ClusterError: the API cannot be reached, refuses the token, or is not KFP's.
    """
    connection = Connection(_endpoint(endpoint), find_token(token_file), namespace)
    health = _wait_until_ready(connection, wait, progress)
    if health.get("multi_user") is True and connection.namespace is None:
        connection.namespace = _pod_namespace(connection.endpoint)
    return connection


def by_field(field: str, value: str, operation: str = "EQUALS") -> str:
    """A list call's `filter`: JSON of a Filter message, URL-encoded, for the server decodes it once more."""
    predicate = {"operation": operation, "key": field, "string_value": value}
    return quote(json.dumps({"predicates": [predicate]}), safe="")


def _endpoint(given: str | None) -> str:
    address = given or os.environ.get(PIPELINES_API) or ""
    if not address:
        if os.environ.get(_IN_CLUSTER_SIGN):
            return IN_CLUSTER
        raise UsageError(
            "no Kubeflow Pipelines endpoint is known",
            expected=f"--endpoint or {PIPELINES_API}, or a pod of the cluster",
            fix="kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888, "
            "then --endpoint http://localhost:8888",
        )
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"the endpoint {hidden_in(address, None)!r} is no web address",
            expected="http://HOST:PORT or https://HOST",
        )
    return address.split("#")[0].split("?")[0].rstrip("/")  # an address copied from the UI ends in /#/…


def _wait_until_ready(connection: Connection, wait: float, progress: Progress | None) -> dict[str, Any]:
    deadline = time.monotonic() + wait
    pause = _FIRST_PAUSE
    while True:
        try:
            return connection.healthz()
        except ClusterError as error:
            left = deadline - time.monotonic()
            if not may_pass(error) or left <= 0:
                raise
            if progress is not None:
                progress.say(f"waiting for Kubeflow Pipelines at {connection.endpoint}, {left:.0f} s left")
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)


def _pod_namespace(endpoint: str) -> str:
    if _POD_NAMESPACE.exists():
        return _POD_NAMESPACE.read_text(encoding="utf-8").strip()
    raise UsageError(
        f"Kubeflow Pipelines at {endpoint} serves several users, and no namespace was named",
        expected="--namespace with the namespace of your profile",
    )


def _client_module() -> Any:
    try:
        import kfp_server_api
    except ImportError as error:
        raise UsageError(
            "the Kubeflow Pipelines client is not installed", fix="pip install 'gukbap[kfp]'"
        ) from error
    return kfp_server_api
