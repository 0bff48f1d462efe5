"""What an object store's failures mean, in words and with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gukbap.adapters.redaction import redacted
from gukbap.errors import StoreError

#: S3's codes for an object that is not there
ABSENT = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}
_FULL = {"XMinioStorageFull", "EntityTooLarge", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"}


@contextmanager
def explained(deed: str, endpoint: str, bucket: str, key_names: tuple[str, str]) -> Iterator[None]:
    """Turn the client's errors into one StoreError that names variables, never their values.

    Args:
        deed: what was tried, for "cannot …".
        endpoint: the server's address.
        bucket: which was used.
        key_names: the variables that held the access and secret key.
    """
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as error:
        # Without the cause: a server's reply may repeat the request with its key.
        raise _refusal(deed, error, endpoint, bucket, key_names) from None
    except HTTPError as error:
        raise StoreError(
            f"cannot {deed}: the object store {endpoint} does not answer ({type(error).__name__})",
            fix="check that it runs and that store.endpoint_url or MINIO_ENDPOINT names it",
        ) from None
    except (MinioException, ValueError) as error:
        raise StoreError(
            f"cannot {deed}: {redacted(str(error))[:300]}",
            fix=f"check that {endpoint} is an S3 server and store.url a valid bucket",
        ) from None


def _refusal(deed: str, error: Any, endpoint: str, bucket: str, key_names: tuple[str, str]) -> StoreError:
    code, said = error.code, redacted(error.message or "")[:300]
    if code == "RequestTimeTooSkewed":
        return StoreError(
            f"cannot {deed}: the clocks of this machine and of {endpoint} differ too much",
            fix="set both clocks (NTP), then run again",
        )
    if code in _REFUSED:
        return StoreError(
            f"cannot {deed}: {endpoint} refuses the keys ({code})",
            expected=f"keys with read and write rights on {bucket}",
            fix=f"correct the environment variables {key_names[0]} and {key_names[1]}",
        )
    if code == "NoSuchBucket":
        return StoreError(
            f"cannot {deed}: there is no bucket {bucket} at {endpoint}",
            fix="create it, or correct store.url",
        )
    if code in _FULL:
        return StoreError(
            f"cannot {deed}: {endpoint} has no room left ({code})",
            fix="free some space there, or prune old runs (gukbap prune), then run again: what "
            "was stored is kept",
        )
    if code == "BadDigest":
        return StoreError(
            f"cannot {deed}: other bytes arrive at {endpoint} than were sent",
            fix="what stands between (a proxy, a failing network card or memory) spoils them",
        )
    if code == "PreconditionFailed":
        return StoreError(f"cannot {deed}: it was stored anew meanwhile", fix="run again")
    if code in ABSENT:
        return StoreError(f"cannot {deed}: there is no such object", fix="check the key and the prefix")
    return StoreError(f"cannot {deed}: {endpoint} answers {code}: {said}")
