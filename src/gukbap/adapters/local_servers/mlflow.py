"""MLflow's server: runs in a SQLite file, artifacts through the server into the bucket."""

from __future__ import annotations

import importlib.util
import sys

from gukbap.adapters.local_servers.keys import Keys
from gukbap.adapters.local_servers.ports import LOOPBACK
from gukbap.adapters.local_servers.server import Server, basic_environment
from gukbap.adapters.mlflow_probe import ask_mlflow
from gukbap.errors import GukbapError

_MODULES = {"mlflow": "tracking", "boto3": "up"}


def mlflow_server(port: int, s3_url: str, keys: Keys, bucket: str) -> Server:
    """How MLflow is started in a folder (its working directory).

    Raises:
        GukbapError: MLflow, or what it needs to reach a bucket, is not installed.
    """
    url = f"http://{LOOPBACK}:{port}"
    return Server(
        name="mlflow",
        title="the MLflow server",
        url=url,
        command=lambda: _command(port, bucket),
        environment={
            **basic_environment(),
            "MLFLOW_S3_ENDPOINT_URL": s3_url,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            # Its job workers start sessions of their own and would outlive it.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        },
        is_ready=lambda: _answers(url),
        secrets=(keys.secret_key,),
    )


def _command(port: int, bucket: str) -> list[str]:
    for module, extra in _MODULES.items():
        if importlib.util.find_spec(module) is None:
            raise GukbapError(f"{module} is not installed", fix=f"pip install 'gukbap[{extra}]'")
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port)),
        *("--workers", "1", "--allowed-hosts", f"localhost:{port},{LOOPBACK}:{port}"),
        # Relative to the folder, whose name may hold what a URL may not.
        *("--backend-store-uri", "sqlite:///mlflow.sqlite3"),
        *("--artifacts-destination", f"s3://{bucket}/mlflow"),
    ]


def _answers(url: str) -> bool:
    from urllib3.exceptions import HTTPError

    try:
        return ask_mlflow(url, seconds=5).works
    except HTTPError:
        return False
