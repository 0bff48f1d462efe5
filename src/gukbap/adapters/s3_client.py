"""The `minio` client of an S3 server, and where the server is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gukbap.config import StoreConfig
from gukbap.errors import ConfigError


def endpoint_of(config: StoreConfig, environment: Mapping[str, str]) -> str:
    """The server's address.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    endpoint = config.endpoint_url or environment.get("MINIO_ENDPOINT")
    if not endpoint:
        raise ConfigError(
            f"{config.url} needs a server",
            expected="the environment variable MINIO_ENDPOINT, or, for store.url alone, store.endpoint_url",
            fix="for a local MinIO: MINIO_ENDPOINT=http://127.0.0.1:9000",
        )
    # In a cluster the variable is commonly host:port, without TLS.
    parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.path.strip("/") or parts.query:
        raise ConfigError(
            "the object store's endpoint cannot be used",
            expected="http://host:port or https://host:port, without path or user",
            fix=f"keys belong into {config.access_key_env} and {config.secret_key_env}",
        )
    return f"{parts.scheme}://{parts.netloc}"


def open_client(endpoint: str, access_key: str, secret_key: str, *, silence_seconds: float = 120) -> Any:
    """A client of the server; nothing is asked of it yet.

    Args:
        endpoint: http://HOST:PORT or https://HOST:PORT.
        access_key: names the user.
        secret_key: signs the requests.
        silence_seconds: how long the server may take to answer.
    """
    import certifi
    import urllib3
    from minio import Minio

    # The client's own default waits five minutes for a connection.
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=5, read=silence_seconds),
        maxsize=10,
        cert_reqs="CERT_REQUIRED",
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        # Calls are repeated as a whole (store_retries), signed anew with the time of then.
        retries=False,
    )
    parts = urlsplit(endpoint)
    return Minio(
        parts.netloc,
        access_key=access_key,
        secret_key=secret_key,
        secure=parts.scheme == "https",
        http_client=pool,
    )
