"""Models kept in MinIO or another S3 store."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from gukbap.adapters.minio_store import MinioStore
from gukbap.adapters.model_cache import cache_folder, locked
from gukbap.config import StoreConfig
from gukbap.errors import ModelError
from gukbap.files import atomic_folder, canonical_json, sha256_text
from gukbap.ports import Progress


def download_model(uri: str, progress: Progress) -> Path:
    """A local folder with the objects under s3://bucket/prefix, or with the one object of that key.

    Objects that carry their SHA-256 as metadata (all that this project stores) are downloaded once;
    those without are downloaded anew each time, since nothing says whether they have changed.

    Raises:
        ModelError: nothing lies there.
        StoreError: the store cannot be reached or refuses the keys.
    """
    store = MinioStore.from_url(StoreConfig(url=uri.rstrip("/")))
    keys = store.list("")
    if not keys:
        store, keys = _single_object(uri)
    hashes = {key: store.sha256(key) for key in keys}
    identity = sha256_text(canonical_json([store.endpoint, uri, hashes]))[:16]
    folder = cache_folder() / "s3" / identity
    with locked(folder, progress):
        if folder.is_dir() and all(hashes.values()):
            return folder
        with atomic_folder(folder) as temporary, progress.bar(f"download {uri} (files)", len(keys)) as bar:
            for key in keys:
                store.get_file(key, temporary / key)
                bar.advance()
    return folder


def _single_object(uri: str) -> tuple[MinioStore, list[str]]:
    path = PurePosixPath(uri.removeprefix("s3://"))
    store = MinioStore.from_url(StoreConfig(url=f"s3://{path.parent}"))
    if len(path.parts) < 2 or not store.exists(path.name):
        raise ModelError(
            f"nothing lies under {uri}", expected="a model's files under that prefix, or one GGUF object"
        )
    return store, [path.name]
