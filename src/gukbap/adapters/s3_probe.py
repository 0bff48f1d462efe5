"""Whether an S3 server really works: an object goes there and back, and away again."""

from __future__ import annotations

import io
import secrets
from typing import Any
from urllib.parse import urlsplit

from gukbap.errors import StoreError


def quick_client(endpoint: str, access_key: str, secret_key: str) -> Any:
    """A client that gives up at once, for questions that are asked again.

    Args:
        endpoint: http://HOST:PORT or https://HOST:PORT.
        access_key: names the user.
        secret_key: signs the requests.
    """
    from minio import Minio
    from urllib3 import PoolManager

    parts = urlsplit(endpoint)
    return Minio(
        parts.netloc,
        access_key=access_key,
        secret_key=secret_key,
        secure=parts.scheme == "https",
        http_client=PoolManager(timeout=5, retries=False),
    )


def round_trip(client: Any, bucket: str, prefix: str = "") -> None:
    """Write an object of its own name, read it and delete it.

    Raises:
        StoreError: what came back is not what was sent.
        minio.error.MinioException, urllib3.exceptions.HTTPError: the server refuses or does not answer.
    """
    name, sent = f"{prefix}.gukbap-probe-{secrets.token_hex(8)}", secrets.token_bytes(64)
    client.put_object(bucket, name, io.BytesIO(sent), len(sent))
    try:
        reply = client.get_object(bucket, name)
        try:
            received = reply.read()
        finally:
            reply.close()
            reply.release_conn()
    finally:
        client.remove_object(bucket, name)
    if received != sent:
        raise StoreError(f"the bucket {bucket} gives back other bytes than were stored")
