"""Build the project's images with Docker.

    python tools/build_images.py [cpu] [train] [vllm] [mlflow] [--build-arg KEY=VALUE]... [--network NETWORK]

Without a name all of them are built. Each gets the name that components/images.py gives it, and a
second tag that ends with the commit: gukbap/gukbap-cpu:0.1.0 and gukbap/gukbap-cpu:0.1.0-g3b97797
(-dirty where files differ from that commit). GUKBAP_IMAGE_REPOSITORY names another registry,
--build-arg BASE_IMAGE=… another image to build on.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from components import images  # noqa: E402 - the checkout's own package, wherever this is started
from gukbap import __version__  # noqa: E402

#: name → image reference
REFERENCES = {"cpu": images.CPU, "train": images.TRAIN, "vllm": images.VLLM, "mlflow": images.MLFLOW}
#: name → its file in docker/, and what makes it this one of the file's images
FILES = {
    "cpu": ("steps.Dockerfile", ["IMAGE=cpu"]),
    "train": ("steps.Dockerfile", ["IMAGE=train"]),
    "vllm": ("vllm.Dockerfile", []),
    "mlflow": ("mlflow.Dockerfile", []),
}


def revision() -> str:
    """The commit of the checkout, as in g3b97797 or g3b97797-dirty; unknown outside of git."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*", "--abbrev=7"],  # noqa: S607
        capture_output=True,
        text=True,
    )
    return f"g{done.stdout.strip()}" if done.returncode == 0 else "unknown"


def build(name: str, *, arguments: Sequence[str] = (), options: Sequence[str] = ()) -> list[str]:
    """Build one image; returns the references it was given.

    Args:
        name: cpu, train, vllm or mlflow.
        arguments: KEY=VALUE for the Dockerfile's ARGs, as BASE_IMAGE=python:3.11-slim.
        options: of `docker build`.

    Raises:
        SystemExit: docker is missing or the build failed; docker's own messages were shown.
    """
    if shutil.which("docker") is None:
        raise SystemExit("docker is not on PATH; install Docker, then run this again")
    commit = revision()
    references = [REFERENCES[name], f"{REFERENCES[name]}-{commit}"]
    file, own = FILES[name]
    command = ["docker", "build", "--file", str(ROOT / "docker" / file), *options]
    for reference in references:
        command += ["--tag", reference]
    for argument in (f"VERSION={__version__}", f"REVISION={commit}", *own, *arguments):
        command += ["--build-arg", argument]
    if subprocess.run([*command, str(ROOT)]).returncode:
        raise SystemExit(f"the image {name} could not be built (docker/{file})")
    return references


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(REFERENCES))
    parser.add_argument(
        "--build-arg",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an ARG of the Dockerfile, as BASE_IMAGE or PIP_INDEX_URL; may be repeated",
    )
    parser.add_argument("--network", help="network of the build, as docker build takes it")
    given = parser.parse_args()
    if unknown := set(given.names) - set(REFERENCES):
        parser.error(f"no image is called {', '.join(sorted(unknown))}; there are {', '.join(REFERENCES)}")
    options = ["--network", given.network] if given.network else []
    built = [
        reference
        for name in given.names or REFERENCES
        for reference in build(name, arguments=given.build_arg, options=options)
    ]
    print(*built, sep="\n")


if __name__ == "__main__":
    main()
