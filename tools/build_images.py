"""Build the images that the pipeline's steps run in, with Docker.

    python tools/build_images.py [cpu] [train] [vllm] [--base-image IMAGE] [--network NETWORK]

Without a name all of them are built. Each gets the name that components/images.py gives it, and a
second tag that ends with the commit: gukbap/gukbap-cpu:0.1.0 and gukbap/gukbap-cpu:0.1.0-g3b97797
(-dirty where files differ from that commit). GUKBAP_IMAGE_REPOSITORY names another registry.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from components import images  # noqa: E402 - the checkout's own package, wherever this is started
from gukbap import __version__  # noqa: E402

#: Dockerfile's stem → image reference
REFERENCES = {"cpu": images.CPU, "train": images.TRAIN, "vllm": images.VLLM}


def revision() -> str:
    """The commit of the checkout, as in g3b97797 or g3b97797-dirty; unknown outside of git."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*", "--abbrev=7"],  # noqa: S607
        capture_output=True,
        text=True,
    )
    return f"g{done.stdout.strip()}" if done.returncode == 0 else "unknown"


def build(name: str, *, base_image: str | None = None, network: str | None = None) -> list[str]:
    """Build one image; returns the references it was given.

    Args:
        name: cpu, train or vllm.
        base_image: what to build on instead of the Dockerfile's own default.
        network: the network of the build's RUN steps, as `docker build --network` takes it.

    Raises:
        SystemExit: docker is missing or the build failed; docker's own messages were shown.
    """
    if shutil.which("docker") is None:
        raise SystemExit("docker is not on PATH; install Docker, then run this again")
    commit = revision()
    references = [REFERENCES[name], f"{REFERENCES[name]}-{commit}"]
    command = ["docker", "build", "--file", str(ROOT / "docker" / f"{name}.Dockerfile")]
    for reference in references:
        command += ["--tag", reference]
    arguments = {"VERSION": __version__, "REVISION": commit}
    if base_image:
        arguments["BASE_IMAGE"] = base_image
    for key, value in arguments.items():
        command += ["--build-arg", f"{key}={value}"]
    if network:
        command += ["--network", network]
    if subprocess.run([*command, str(ROOT)]).returncode:
        raise SystemExit(f"the image {name} could not be built (docker/{name}.Dockerfile)")
    return references


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(REFERENCES))
    parser.add_argument("--base-image", help="build on this image instead of the Dockerfile's default")
    parser.add_argument("--network", help="network of the build, as docker build takes it")
    given = parser.parse_args()
    if unknown := set(given.names) - set(REFERENCES):
        parser.error(f"no image is called {', '.join(sorted(unknown))}; there are {', '.join(REFERENCES)}")
    built = [
        reference
        for name in given.names or REFERENCES
        for reference in build(name, base_image=given.base_image, network=given.network)
    ]
    print(*built, sep="\n")


if __name__ == "__main__":
    main()
