"""Whether an S3 server really works: an object goes there and back, and away again."""

from __future__ import annotations

import io
import secrets
from typing import Any

from gukbap.adapters.s3_client import open_client
from gukbap.errors import StoreError


def quick_client(endpoint: str, access_key: str, secret_key: str) -> Any:
    """A client that gives up soon, for questions that are asked again."""
    return open_client(endpoint, access_key, secret_key, silence_seconds=5)


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
