"""MinIO, or any other S3 server, through the `minio` client."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gukbap.adapters.downloads import download, range_headers
from gukbap.adapters.multipart import (
    PARTS_FROM_BYTES,
    MultipartUpload,
    Source,
    digest_header,
    md5_of,
    unfinished_uploads,
)
from gukbap.adapters.object_keys import Entry, checked_key
from gukbap.adapters.s3_client import endpoint_of, open_client
from gukbap.adapters.store_errors import ABSENT, explained
from gukbap.adapters.store_retries import retrying
from gukbap.config import StoreConfig
from gukbap.errors import ConfigError, InputError, StoreError

_HASH_HEADER = "x-amz-meta-sha256"
_CHUNK_BYTES = 1 << 20


def _unheard(sent: int) -> None:
    """Nobody wants to know."""


class MinioStore:
    """Objects in one bucket, all under one prefix. Each carries the SHA-256 of its bytes as metadata.

    An S3 server shows an object only when its upload is whole, so a killed upload leaves what was
    there before.
    """

    def __init__(
        self, client: Any, bucket: str, prefix: str, endpoint: str, key_names: tuple[str, str]
    ) -> None:
        """`key_names`: the environment variables that held the access and secret key, for messages."""
        self._client = client
        self.bucket, self.prefix, self.endpoint = bucket, prefix.strip("/"), endpoint
        self._key_names = key_names

    def __repr__(self) -> str:
        return f"MinioStore(s3://{self.bucket}/{self.prefix} at {self.endpoint})"

    @classmethod
    def from_url(
        cls, config: StoreConfig, environment: Mapping[str, str] | None = None, *, create: bool = True
    ) -> MinioStore:
        """Open the bucket of `config.url`; it is created where it is missing and the keys may do so.

        Without `create` nothing is asked of the server yet.

        Raises:
            ConfigError: the URL or the endpoint cannot be used.
            StoreError: no keys, wrong keys, no such bucket, or a server that cannot be reached.
        """
        environment = os.environ if environment is None else environment
        if config.url is None or not config.url.startswith("s3://"):
            raise ConfigError(f"store.url is {config.url}", expected="s3://bucket/prefix")
        endpoint = endpoint_of(config, environment)
        bucket, _, prefix = config.url.removeprefix("s3://").partition("/")
        names = (config.access_key_env, config.secret_key_env)
        missing = [name for name in names if not environment.get(name)]
        if missing:
            raise StoreError(
                f"no keys for the object store {endpoint}: {' and '.join(missing)} not set",
                fix=f"set the environment variables {names[0]} and {names[1]}",
            )
        client = open_client(endpoint, environment[names[0]], environment[names[1]])
        store = cls(client, bucket, prefix, endpoint, names)
        if create:
            store._ensure_bucket()
        return store

    def uri(self, key: str) -> str:
        """The URI of a key, whether or not there is an object."""
        return f"s3://{self.bucket}/{self._name(key)}"

    def put_file(self, source: Path, key: str, sent: Callable[[int], None] = _unheard) -> str:
        """Upload a file whole or not at all, with its SHA-256 as metadata; returns its URI.

        A large one goes up in parts, and goes on with those that are missing where an earlier process
        was killed; memory stays flat. `sent` is told bytes as they have gone.

        Raises:
            InputError: there is no file at `source`.
            StoreError: the store refuses it or cannot be reached, or other bytes arrived.
        """
        name = self._name(key)
        if not source.is_file():
            raise InputError(f"there is no file {source} to store", fix="check the path")
        described = Source.of(source)
        metadata = {_HASH_HEADER: described.sha256}
        with self._explained(f"store {self.uri(key)}"):
            if described.size > PARTS_FROM_BYTES:
                upload = MultipartUpload(self._client, self.endpoint, self.bucket, name, metadata, retrying)
                upload.run(described, sent)
            else:
                content = source.read_bytes()
                described.check_unchanged()
                headers = {**metadata, **digest_header(md5_of(content))}
                retrying(lambda: self._client._put_object(self.bucket, name, content, dict(headers)))
                sent(len(content))
            stored = retrying(lambda: self._client.stat_object(self.bucket, name))
            if stored.size != described.size:
                raise StoreError(
                    f"{self.uri(key)} has {stored.size} bytes after its upload",
                    expected=f"{described.size} bytes, as {source} has",
                    fix="was the file changed meanwhile? store it again",
                )
        return self.uri(key)

    def put_new(self, key: str, content: bytes) -> bool:
        """Store a small object that is not there yet; returns whether the key holds this content now.

        The server decides (If-None-Match: *, S3 API reference, PutObject). What it holds is read back, since
        a server that does not know the condition answers as if it had kept it.

        Raises:
            StoreError: the store refuses it or cannot be reached.
        """
        from minio.error import S3Error

        sha256 = hashlib.sha256(content).hexdigest()
        headers = {_HASH_HEADER: sha256, "If-None-Match": "*", **digest_header(md5_of(content))}
        with self._explained(f"store {self.uri(key)}"):
            try:
                retrying(
                    lambda: self._client._put_object(self.bucket, self._name(key), content, dict(headers))
                )
            except S3Error as error:
                if error.code != "PreconditionFailed":
                    raise
        return self.actual_sha256(key) == sha256

    def get_file(self, key: str, target: Path) -> None:
        """Download an object whole or not at all; one that differs from its recorded hash is refused.

        A killed or broken download goes on where it was.

        Raises:
            StoreError: there is no such object, it is damaged, or the store fails.
        """
        name = self._name(key)
        with self._explained(f"fetch {self.uri(key)}"):
            found = retrying(lambda: self._client.stat_object(self.bucket, name))

            def open_from(start: int) -> Any:
                return self._client.get_object(
                    self.bucket, name, request_headers=dict(range_headers(start, found.etag))
                )

            sha256 = found.metadata.get(_HASH_HEADER)
            retrying(lambda: download(open_from, target, found.etag, found.size, sha256, self.uri(key)))

    def actual_sha256(self, key: str) -> str:
        """The SHA-256 of the bytes that the server gives now, whatever was recorded.

        Raises:
            StoreError: there is no such object, or the store fails.
        """

        def hashed() -> str:
            digest = hashlib.sha256()
            response = self._client.get_object(self.bucket, self._name(key))
            try:
                for chunk in response.stream(_CHUNK_BYTES):
                    digest.update(chunk)
            finally:
                response.close()
                response.release_conn()
            return digest.hexdigest()

        with self._explained(f"read {self.uri(key)}"):
            return retrying(hashed)

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        with self._explained(f"delete {self.uri(key)}"):
            retrying(lambda: self._client.remove_object(self.bucket, self._name(key)))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every object whose key begins with `prefix`, with its size and the time of its upload."""
        root = f"{self.prefix}/" if self.prefix else ""
        with self._explained(f"list {self!r}"):
            found = self._listed(root + prefix)
        for item in found:
            yield Entry(item.object_name.removeprefix(root), item.size, item.last_modified)

    def end_unfinished(self, before: datetime) -> int:
        """Give up uploads under the store's prefix that began before a moment and never ended.

        Returns:
            How many; their parts take room until then, and no listing shows them.
        """
        root = f"{self.prefix}/" if self.prefix else ""
        ended = 0
        with self._explained(f"look for unfinished uploads of {self!r}"):
            for name, upload_id, begun in list(unfinished_uploads(self._client, self.bucket, root)):
                if begun is None or begun < before:
                    self._client._abort_multipart_upload(self.bucket, name, upload_id)
                    ended += 1
        return ended

    def link(self, key: str, hours: float) -> str:
        """A URL that gives the object to whoever has it, for so many hours: a secret until then.

        Raises:
            StoreError: there is no such object.
        """
        if not self.exists(key):
            raise StoreError(f"there is no object {self.uri(key)}", fix="check the key")
        with self._explained(f"make a link to {self.uri(key)}"):
            url: str = self._client.presigned_get_object(
                self.bucket, self._name(key), expires=timedelta(hours=hours)
            )
        return url

    def exists(self, key: str) -> bool:
        """Whether there is an object under exactly this key."""
        return self._stat(key) is not None

    def holds(self, key: str) -> bool:
        """Whether there is an object of this key, or a folder of objects; False without the bucket."""
        from minio.error import S3Error

        name = self._name(key)
        with self._explained(f"look for {self.uri(key)}"):
            try:
                found = self._listed(name)
                return any(
                    item.object_name == name or item.object_name.startswith(f"{name}/") for item in found
                )
            except S3Error as error:
                if error.code == "NoSuchBucket":
                    return False
                raise

    def list(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted; keys are relative to the store's own prefix."""
        root = f"{self.prefix}/" if self.prefix else ""
        with self._explained(f"list {self!r}"):
            return sorted(item.object_name.removeprefix(root) for item in self._listed(root + prefix))

    def _listed(self, prefix: str) -> Sequence[Any]:
        """The objects below a whole prefix, read to the end: what breaks off is asked for again."""
        return retrying(
            lambda: [
                item
                for item in self._client.list_objects(self.bucket, prefix=prefix, recursive=True)
                if not item.is_dir
            ]
        )

    def sha256(self, key: str) -> str | None:
        """The recorded SHA-256 of an object; None where there is no object or none was recorded."""
        found = self._stat(key)
        return None if found is None else found.metadata.get(_HASH_HEADER)

    def _name(self, key: str) -> str:
        return f"{self.prefix}/{checked_key(key)}" if self.prefix else checked_key(key)

    def _stat(self, key: str) -> Any | None:
        from minio.error import S3Error

        with self._explained(f"look at {self.uri(key)}"):
            try:
                return retrying(lambda: self._client.stat_object(self.bucket, self._name(key)))
            except S3Error as error:
                if error.code in ABSENT:
                    return None
                raise

    def _ensure_bucket(self) -> None:
        from minio.error import S3Error

        with self._explained(f"open the bucket {self.bucket}"):
            try:
                # A GET, not a HEAD: only a body says why a request is refused (key, clock, rights).
                next(iter(self._client.list_objects(self.bucket, prefix=self.prefix)), None)
                return
            except S3Error as error:
                if error.code != "NoSuchBucket":
                    raise
        with self._explained(f"create the missing bucket {self.bucket}"):
            try:
                self._client.make_bucket(self.bucket)
            except S3Error as error:
                # Another process of the run may have been quicker.
                if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise

    def _explained(self, deed: str) -> AbstractContextManager[None]:
        return explained(deed, self.endpoint, self.bucket, self._key_names)
