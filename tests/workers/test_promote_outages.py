"""The promote step against a real MLflow server that is gone in the middle of it.

The outage is our own edge: a proxy that lets so many writes through and then none, before the server has
seen the next one or after it, when only the answer is lost. What comes back is the same real server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.tracking._tracking_service import utils

from gukbap.adapters.mlflow_promotions import PromotionLog
from gukbap.errors import StoreError
from tests.servers import mlflow_server
from tests.tcp_proxy import Proxy, proxied
from tests.workers.test_promote import BETTER, promote, settings

pytestmark = [pytest.mark.mlflow, pytest.mark.slow]
#: every fourth write is interrupted, other ones where it was delivered
STRIDE = 4
_WRITE = re.compile(rb"^(?:POST|PUT|PATCH|DELETE) (?!\S*/search)")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with mlflow_server() as uri:
        yield uri


class OutageError(OSError):
    """The server cannot be reached."""


def fail_from(proxy: Proxy, write: int, *, delivered: bool) -> None:
    """Let `write` writes through; the next one is lost, or (`delivered`) only its answer is."""
    seen, down = [0], [False]

    def sent(piece: bytes) -> bytes:
        if _WRITE.match(piece):
            seen[0] += 1
            if seen[0] > write:
                down[0] = True
                if delivered and seen[0] == write + 1:
                    return piece
        if down[0] and not (delivered and seen[0] == write + 1 and not _WRITE.match(piece)):
            raise OutageError
        return piece

    def received(piece: bytes) -> bytes:
        if down[0]:
            raise OutageError
        return piece

    proxy.change_sent, proxy.change_received = sent, received


def champions(client: MlflowClient, name: str) -> list[int]:
    held = client.get_registered_model(name).aliases
    return [int(held["champion"])] if "champion" in held else []


@pytest.mark.parametrize("delivered", [False, True])
def test_whenever_the_server_goes_one_champion_stands(
    server: str, delivered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_RUN_ID", "GUKBAP_WORK_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUKBAP_QUIET", "1")
    client: Any = MlflowClient(tracking_uri=server, registry_uri=server)
    better = [gain + 1 for gain in BETTER]
    outages = 0
    for write in range(int(delivered), 200, STRIDE):
        name = f"model-{delivered}-{write}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
        monkeypatch.setenv("GUKBAP_RUN_ID", f"{name}-first")
        promote(tmp_path / "first", BETTER, settings(name))
        monkeypatch.setenv("GUKBAP_RUN_ID", f"{name}-second")
        with proxied(server) as proxy, monkeypatch.context() as meanwhile:
            fail_from(proxy, write, delivered=delivered)
            meanwhile.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
            meanwhile.setenv("MLFLOW_TRACKING_URI", proxy.endpoint)
            try:
                promote(tmp_path / "second", better, settings(name))
                finished = True
            except StoreError:
                finished = False
        # MLflow keeps the address of a run's artifacts for the whole process, which would be gone by now.
        utils._artifact_repos_cache.clear()
        assert champions(client, name) in ([1], [2])
        _, decision = promote(tmp_path / "second", better, settings(name))
        assert (decision["verdict"], decision["registered"]["version"]) == ("promoted", 2)
        aliases = {alias: int(one) for alias, one in client.get_registered_model(name).aliases.items()}
        assert aliases == {"challenger": 2, "champion": 2, "previous": 1}
        log = PromotionLog(client, server, name).settled()
        assert [(one.kind, one.version) for one in log.changes] == [("promotion", 1), ("promotion", 2)]
        if finished:
            break
        outages += 1
    assert outages >= 5, "the step writes less often than this test means to interrupt it"
