"""Whether an MLflow server really works: its interface is asked, not /health, which always says yes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

PATH = "/api/2.0/mlflow/experiments/search?max_results=1"


@dataclass(frozen=True)
class MlflowReply:
    """The HTTP status of an answer, and the beginning of its body."""

    status: int
    text: str

    @property
    def works(self) -> bool:
        """Whether it is the answer of MLflow's interface."""
        return self.status == 200 and self.text.lstrip().startswith("{")

    @property
    def refuses_host(self) -> bool:
        """Whether the server's --allowed-hosts leave out the name that it was asked by."""
        return self.status == 403 and "Host" in self.text


def ask_mlflow(
    uri: str, *, host: str | None = None, environment: Mapping[str, str] | None = None, seconds: float = 10
) -> MlflowReply:
    """Search for experiments.

    Args:
        uri: the server, where it can be reached from here.
        host: the name by which others ask it, where that is another one (HTTP's Host).
        environment: MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD, where the server wants them.
        seconds: how long to wait.

    Raises:
        urllib3.exceptions.HTTPError: no answer.
    """
    import urllib3

    headers = {"Host": host} if host else {}
    headers |= _authorization(environment or {})
    with urllib3.PoolManager(retries=False, timeout=seconds) as pool:
        reply = pool.request("GET", uri.rstrip("/") + PATH, headers=headers, redirect=False)
    return MlflowReply(int(reply.status), reply.data[:1000].decode("utf-8", errors="replace"))


def _authorization(environment: Mapping[str, str]) -> dict[str, str]:
    if token := environment.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user, password = (environment.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {}
