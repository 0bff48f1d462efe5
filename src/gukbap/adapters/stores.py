"""Which object store a recipe means, and the upload of a run folder into it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from gukbap.adapters.folder_store import FolderStore
from gukbap.adapters.object_keys import is_temporary
from gukbap.config import StoreConfig
from gukbap.errors import ConfigError, InputError
from gukbap.files import sha256_file
from gukbap.ports import ObjectStore, Progress


class HashingStore(ObjectStore, Protocol):
    """An object store that knows the SHA-256 of what it holds."""

    def sha256(self, key: str) -> str | None:
        """The SHA-256 of an object; None where there is no object or its hash is not known."""


def open_store(config: StoreConfig) -> HashingStore | None:
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


def upload_folder(store: HashingStore, folder: Path, prefix: str, progress: Progress) -> int:
    """Upload every file of a folder under `prefix`; returns how many had to be sent.

    A file whose SHA-256 the store already holds under its key is not sent again, so an upload that
    was killed goes on where it was. Unfinished atomic writes are left out.

    Raises:
        InputError: there is no such folder.
        StoreError: the store refuses a file.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} to upload", fix="check the path")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not is_temporary(path.relative_to(folder))
    ]
    sent = 0
    with progress.bar("upload", total=len(files)) as bar:
        for path in files:
            name = path.relative_to(folder).as_posix()
            key = f"{prefix.strip('/')}/{name}".lstrip("/")
            if store.sha256(key) != sha256_file(path):
                store.put_file(path, key)
                sent += 1
            bar.advance(note=name)
    return sent


def _folder_of(url: str) -> Path:
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise ConfigError(
            f"store.url {url} names no folder of this machine", expected="file:///absolute/path"
        )
    return path
