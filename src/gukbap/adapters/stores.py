"""Which object store a recipe means, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from gukbap.adapters.folder_store import FolderStore
from gukbap.adapters.object_keys import Entry
from gukbap.config import StoreConfig
from gukbap.errors import ConfigError
from gukbap.ports import ObjectStore


class Store(ObjectStore, Protocol):
    """An object store with all that runs ask of it."""

    def uri(self, key: str) -> str:
        """The URI of a key, whether or not there is an object."""

    def put_file(self, source: Path, key: str, sent: Callable[[int], None] = ...) -> str:
        """Store a file whole or not at all; returns its URI. `sent` is told bytes as they have gone."""

    def put_new(self, key: str, content: bytes) -> bool:
        """Store a small object that is not there yet; returns whether the key holds this content now.

        Of several that store different contents under one key at once, one is told True.
        """

    def sha256(self, key: str) -> str | None:
        """The recorded SHA-256 of an object; None where there is no object or its hash is not known."""

    def actual_sha256(self, key: str) -> str:
        """The SHA-256 of an object's bytes as they are now."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys begin with `prefix`, with size and time."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""

    def end_unfinished(self, before: datetime) -> int:
        """Give up uploads that began before a moment and never ended; returns how many."""


def open_store(config: StoreConfig) -> Store | None:
    """The store that a recipe names, checked to be reachable and writable; None where it names none.

    Raises:
        ConfigError: the URL names no usable place.
        StoreError: the store cannot be reached, refuses the keys, or lacks the bucket.
    """
    if config.url is None:
        return None
    if config.url.startswith("file://"):
        return FolderStore(_folder_of(config.url))
    from gukbap.adapters.minio_store import MinioStore

    return MinioStore.from_url(config)


def artifact_is_there(uri: str, config: StoreConfig) -> bool:
    """Whether an artifact's URI, as Kubeflow Pipelines gives it, still leads to something.

    Args:
        uri: minio://bucket/key, s3://bucket/key, file:///path or a plain path.
        config: names the variables that hold the server's keys.

    Raises:
        ConfigError: the server or the scheme is not known.
        StoreError: the server cannot be asked.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path)).exists()
    if parts.scheme not in ("minio", "s3"):
        raise ConfigError(f"artifact {uri}", expected="minio://, s3:// or a path")
    from gukbap.adapters.minio_store import MinioStore

    bucket = config.model_copy(update={"url": f"s3://{parts.netloc}"})
    return MinioStore.from_url(bucket, create=False).holds(unquote(parts.path).strip("/"))


def _folder_of(url: str) -> Path:
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise ConfigError(
            f"store.url {url} names no folder of this machine", expected="file:///absolute/path"
        )
    return path
