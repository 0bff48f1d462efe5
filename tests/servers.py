"""Real servers for tests, on loopback ports of this process's own, stopped and waited for."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from minio.error import MinioException
from urllib3.exceptions import HTTPError

from gukbap.adapters.local_servers.ports import any_free
from gukbap.adapters.mlflow_probe import ask_mlflow
from gukbap.adapters.s3_probe import quick_client, round_trip
from tests.tracking_files import tracking_file

_START_SECONDS = 90.0

free_ports = any_free


@dataclass(frozen=True)
class S3Server:
    """A running S3 server, an admin key pair, and one that may only list and read."""

    endpoint: str
    access_key: str
    secret_key: str
    reader_access_key: str
    reader_secret_key: str


@contextmanager
def seaweed_s3() -> Iterator[S3Server]:
    """SeaweedFS with its S3 gateway: master, volume server and filer in one process."""
    with mortal_s3() as (server, _):
        yield server


class Mortal:
    """A SeaweedFS process that can be killed and started again on the same ports and data."""

    def __init__(self, command: list[str], folder: Path, server: S3Server) -> None:
        self._command, self.folder, self._server = command, folder, server
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Start it, and wait until it stores and returns an object."""
        log = self.folder / "server.log"
        process = self._running.enter_context(_process(self._command, log, self.folder))
        _wait_until(lambda: _stores_and_returns(self._server), process, log)

    def kill(self) -> None:
        """Kill −9."""
        self._running.close()


@contextmanager
def mortal_s3() -> Iterator[tuple[S3Server, Mortal]]:
    """SeaweedFS, and the means to kill it and to start it again."""
    program = shutil.which("weed") or str(Path(sys.executable).parent / "weed")
    keys = S3Server("", "test-admin-id", "test-admin-secret", "test-reader-id", "test-reader-secret")
    with tempfile.TemporaryDirectory(prefix="seaweed-") as name:
        folder = Path(name)
        (folder / "s3.json").write_text(json.dumps(_identities(keys)))
        ports = free_ports(8)
        services = ("master", "volume", "filer", "s3")
        command = [
            *(program, "-logtostderr", "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *("-filer", "-s3"),
            *(f"-{service}.port={port}" for service, port in zip(services, ports[:4], strict=True)),
            *(f"-{service}.port.grpc={port}" for service, port in zip(services, ports[4:], strict=True)),
            *("-volume.max=20", "-master.volumeSizeLimitMB=256", "-master.telemetry=false"),
            # Fixed ports that two servers at a time would fight for, each to its own end.
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            f"-s3.config={folder / 's3.json'}",
        ]
        server = replace(keys, endpoint=f"http://127.0.0.1:{ports[3]}")
        mortal = Mortal(command, folder, server)
        try:
            mortal.start()
            yield server, mortal
        finally:
            mortal.kill()


def _identities(keys: S3Server) -> dict[str, object]:
    return {
        "identities": [
            {
                "name": "admin",
                "credentials": [{"accessKey": keys.access_key, "secretKey": keys.secret_key}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            },
            {
                "name": "reader",
                "credentials": [{"accessKey": keys.reader_access_key, "secretKey": keys.reader_secret_key}],
                "actions": ["Read", "List"],
            },
        ]
    }


def _stores_and_returns(server: S3Server) -> bool:
    """Whether a PUT and a GET go through: SeaweedFS lists buckets before it can write."""
    client = quick_client(server.endpoint, server.access_key, server.secret_key)
    try:
        if not client.bucket_exists("readiness"):
            client.make_bucket("readiness")
        round_trip(client, "readiness")
    except (MinioException, HTTPError):
        return False
    return True


@contextmanager
def mlflow_server() -> Iterator[str]:
    """`mlflow server` on an empty SQLite file; gives its URI once its REST interface answers."""
    with tempfile.TemporaryDirectory(prefix="mlflow-") as name:
        folder = Path(name)
        (port,) = free_ports(1)
        uri = f"http://127.0.0.1:{port}"
        store = tracking_file(folder / "mlflow.db")
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1", "--backend-store-uri", store),
            *("--artifacts-destination", str(folder / "artifacts")),
        ]
        with _process(command, folder / "server.log", folder) as process:
            _wait_until(lambda: _answers(uri), process, folder / "server.log")
            yield uri


def _answers(uri: str) -> bool:
    try:
        return ask_mlflow(uri, seconds=5).works
    except HTTPError:
        return False


@contextmanager
def _process(command: list[str], log: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    # Job workers would outlive the MLflow server that starts them.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # The whole session, at once: nothing of a test server is worth an orderly end.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the server is not ready:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)
