"""Images for tests on a machine that pulls none: Debian bases made here, the project's images on them.

    python -m tests.docker_images          (as root: debootstrap; needs a running Docker engine)

The bases stand in for python:3.11-slim, which the images end up on, and for python:3.11, which they are
built in: Debian 12 has Python 3.11, and what keeps its pip from installing is taken away, as the
official image never has it. This machine's own way to packages (its certificates, its pip settings, its
local wheels) is put into the one that builds, so that the project's Dockerfiles need to know nothing of
it. The images are called gukbap-test/…: none of a user's own is touched.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "gukbap-test"
BASE_IMAGE = f"{REPOSITORY}/base:2"
BUILD_IMAGE = f"{REPOSITORY}/build:2"
#: What building needs besides Python: pip, and strip out of binutils.
BUILD_PACKAGES = ("python3-pip", "python3-venv", "binutils")
#: Debian's release with Python 3.11
SUITE = "bookworm"
HOW_TO = (
    "start a Docker engine (Debian: apt-get install docker.io debootstrap; dockerd) "
    "and run, as root: python -m tests.docker_images"
)


def missing() -> str | None:
    """Why no test can use Docker here, with what to do about it; None where they can."""
    if shutil.which("docker") is None:
        return f"there is no docker command; {HOW_TO}"
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        return f"no Docker engine answers; {HOW_TO}"
    if absent := _absent_bases():
        return f"there is no image {absent[0]}; {HOW_TO}"
    return None


def _absent_bases() -> list[str]:
    return [
        image
        for image in (BASE_IMAGE, BUILD_IMAGE)
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode
    ]


def environment() -> dict[str, str]:
    """The environment in which the project's image names are those of the test images."""
    return {**os.environ, "GUKBAP_IMAGE_REPOSITORY": REPOSITORY}


def build_project_images(*names: str) -> None:
    """Build the project's images on the bases; after the first time only what has changed since.

    Raises:
        RuntimeError: a build failed; carries the end of what docker said.
    """
    command = [sys.executable, str(ROOT / "tools" / "build_images.py"), *names, "--network", "host"]
    command += ["--build-arg", f"BASE_IMAGE={BASE_IMAGE}", "--build-arg", f"BUILD_IMAGE={BUILD_IMAGE}"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{done.stdout[-3000:]}\n{done.stderr[-1000:]}")


def make_bases() -> None:
    """Make the images that the project's are built in and on, over earlier ones."""
    with tempfile.TemporaryDirectory(prefix="gukbap-base-") as name:
        root = Path(name) / "root"
        packages = "--include=python3,ca-certificates"
        subprocess.run(["debootstrap", "--variant=minbase", packages, SUITE, str(root)], check=True)
        (root / "usr/bin/python").symlink_to("python3")
        _import(root, BASE_IMAGE)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *BUILD_PACKAGES]
        for command in (["apt-get", "update"], install):
            subprocess.run(["chroot", str(root), *command], check=True, env=environment)
        for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        _give_packages(root)
        _import(root, BUILD_IMAGE)


def _import(root: Path, image: str) -> None:
    """Make an image out of a root folder."""
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        changes = ["--change", "ENV LANG=C.UTF-8", "--change", 'CMD ["python3"]']
        subprocess.run(["docker", "import", *changes, "-", image], stdin=tar.stdout, check=True)
    if tar.returncode:
        raise RuntimeError("tar could not pack the base's root folder")


def _give_packages(root: Path) -> None:
    """Copy this machine's certificates, pip settings and local wheel folders into the base."""
    settings = _pip_settings()
    kept: dict[str, str] = {
        key: settings[key] for key in ("index-url", "trusted-host", "proxy") if key in settings
    }
    if certificates := settings.get("cert"):
        _copy(Path(certificates), root)
        kept["cert"] = certificates
    links = settings.get("find-links", "").split()
    for folder in (Path(link) for link in links):
        if folder.is_dir():
            _copy(folder, root)
    if links:
        kept["find-links"] = "\n    ".join(links)
    lines = ["[global]", *(f"{key} = {value}" for key, value in kept.items())]
    (root / "etc/pip.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pip_settings() -> dict[str, str]:
    """pip's settings on this machine, by their name without the section; the environment's stand last."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = [line.split("=", 1) for line in listed.splitlines()]
    pairs.sort(key=lambda pair: pair[0].startswith(":env:"))
    return {key.rsplit(".", 1)[1]: str(ast.literal_eval(value)) for key, value in pairs}


def _copy(source: Path, root: Path) -> None:
    target = root / source.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.unlink(missing_ok=True)  # a link there would lead out of the root folder
        shutil.copy(source, target)


if __name__ == "__main__":
    if _absent_bases():
        make_bases()
    build_project_images("cpu", "train", "mlflow")
