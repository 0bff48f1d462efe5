"""Folders in an object store: uploaded with a manifest that comes last, checked, fetched back.

A folder is whole where its manifest is there: it is taken away before a file is replaced, and written when
all files are there. So a half-uploaded run is never taken for a whole one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from gukbap.adapters.multipart import PARTS_FROM_BYTES
from gukbap.adapters.object_keys import checked_key, is_temporary
from gukbap.adapters.stores import Store
from gukbap.errors import InputError, StoreError
from gukbap.files import read_json, sha256_file, write_json
from gukbap.ports import Progress, ProgressBar

MANIFEST = "manifest.json"
#: an object of this name in a run's folder keeps the run whatever a rule says
KEEP = "KEEP"
#: Small files go side by side; a large one is sent in parts side by side.
FILES_AT_ONCE = 4


@dataclass(frozen=True)
class _File:
    path: Path
    name: str
    size: int
    sha256: str


def upload_folder(store: Store, folder: Path, prefix: str, progress: Progress) -> int:
    """Upload every file of a folder under `prefix`; returns how many had to be sent.

    A file whose SHA-256 the store already holds under its key is not sent again, so an upload that was
    killed goes on where it was. Unfinished atomic writes are left out. The manifest, which is also
    written into the folder, comes last.

    Raises:
        InputError: there is no such folder.
        StoreError: the store refuses a file.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} to upload", fix="check the path")
    files = list(_files(folder))
    root = f"{prefix.strip('/')}/".lstrip("/")
    write_json(folder / MANIFEST, {"files": {f.name: {"sha256": f.sha256, "size": f.size} for f in files}})
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        known = list(pool.map(lambda file: store.sha256(root + file.name), files))
    missing = [file for file, sha256 in zip(files, known, strict=True) if sha256 != file.sha256]
    manifest_known = store.sha256(root + MANIFEST) == sha256_file(folder / MANIFEST)
    if missing:
        store.delete(root + MANIFEST)
    total, left = sum(file.size for file in files), sum(file.size for file in missing)
    with progress.bar("upload (bytes)", total=total, done=total - left) as bar:
        _send(store, missing, root, _Steps(bar))
    if missing or not manifest_known:
        store.put_file(folder / MANIFEST, root + MANIFEST)
    return len(missing)


def _files(folder: Path) -> Iterator[_File]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST and not is_temporary(path.relative_to(folder)):
            yield _File(path, name, path.stat().st_size, sha256_file(path))


class _Steps:
    """A bar that several threads move."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar, self._alone = bar, Lock()

    def moved(self, steps: int) -> None:
        with self._alone:
            self._bar.advance(steps)


def _send(store: Store, files: list[_File], root: str, steps: _Steps) -> None:
    small = [file for file in files if file.size <= PARTS_FROM_BYTES]

    def one(file: _File) -> None:
        store.put_file(file.path, root + file.name, steps.moved)

    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        for _ in pool.map(one, small):
            continue
    for file in files:
        if file.size > PARTS_FROM_BYTES:
            one(file)


class Stored(BaseModel):
    """A file of a manifest."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    #: bytes
    size: int = Field(ge=0)


def _inside(name: str) -> str:
    # A bucket's content is not ours to trust: a name that climbs would be written outside of the folder.
    try:
        return checked_key(name)
    except StoreError as error:
        raise ValueError(error.problem) from None


class _Manifest(BaseModel):
    files: dict[Annotated[str, AfterValidator(_inside)], Stored]


def read_manifest(store: Store, prefix: str, work: Path) -> Mapping[str, Stored]:
    """The files of a stored folder, by name.

    Args:
        work: a folder for the fetched manifest.

    Raises:
        StoreError: there is none: nothing was stored there, or its upload has not ended.
    """
    key = f"{prefix}/{MANIFEST}"
    if not store.exists(key):
        there = len(store.list(f"{prefix}/"))
        raise StoreError(
            f"{store.uri(prefix)} is not whole: {there} objects, and no manifest",
            expected="a folder whose upload has ended",
            fix="upload it again (gukbap run --resume); what is there is not sent twice"
            if there
            else "list what there is: gukbap store list",
        )
    target = work / MANIFEST
    store.get_file(key, target)
    try:
        return _Manifest.model_validate(read_json(target)).files
    except (ValidationError, InputError) as error:
        why = error.problem if isinstance(error, InputError) else error.errors()[0]["msg"]
        raise StoreError(
            f"{store.uri(key)} is no manifest ({why})",
            expected="files with sha256 and size, under names that stay inside the folder",
            fix="upload the folder again",
        ) from error


def verify_folder(store: Store, prefix: str, work: Path, progress: Progress) -> list[str]:
    """What is wrong with a stored folder, a sentence each: missing, foreign and damaged objects.

    Every byte is read back and hashed.

    Raises:
        StoreError: it has no manifest, or the store fails.
    """
    files = read_manifest(store, prefix, work)
    there = {entry.key.removeprefix(f"{prefix}/"): entry.size for entry in store.entries(f"{prefix}/")}
    found = [f"{name} is missing" for name in sorted(set(files) - set(there))]
    found += [f"{name} is not in the manifest" for name in sorted(set(there) - set(files) - {MANIFEST, KEEP})]
    both = sorted(set(files) & set(there))
    with progress.bar("verify (files)", total=len(both)) as bar:
        for name in both:
            sha256 = store.actual_sha256(f"{prefix}/{name}")
            if sha256 != files[name].sha256:
                found.append(f"{name} is damaged: its SHA-256 is {sha256}, not {files[name].sha256}")
            bar.advance(note=name)
    return found


def download_folder(store: Store, prefix: str, target: Path, progress: Progress) -> int:
    """Fetch a stored folder; returns how many files had to be fetched.

    A file that is there with the right SHA-256 is left alone, so a download that was killed goes on.

    Raises:
        StoreError: it has no manifest, a file is damaged, or the store fails.
    """
    target.mkdir(parents=True, exist_ok=True)
    files = read_manifest(store, prefix, target)
    fetched = 0
    total = sum(file.size for file in files.values())
    with progress.bar("download (bytes)", total=total) as bar:
        for name, file in sorted(files.items()):
            path = target / name
            if not path.is_file() or sha256_file(path) != file.sha256:
                store.get_file(f"{prefix}/{name}", path)
                if sha256_file(path) != file.sha256:
                    raise StoreError(
                        f"{store.uri(f'{prefix}/{name}')} is not the file of the manifest",
                        expected=file.sha256,
                        fix="store the folder again",
                    )
                fetched += 1
            bar.advance(file.size, note=name)
    return fetched
