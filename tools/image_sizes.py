"""How large the images are, and what in them is: python -m tools.image_sizes [IMAGE]... [--parts 12]

Without a name: the images of this version that are on this machine. Sizes are uncompressed, as `docker
image inspect` gives them; a package's size is that of the files that it installed, byte code included.
"""

from __future__ import annotations

import argparse
import json
import subprocess

from tools.build_images import REFERENCES

#: Runs inside the image: name and bytes of each installed package, as JSON.
_PARTS = """
import json, pathlib
from importlib.metadata import distributions
sizes = {}
for package in distributions():
    paths = {pathlib.Path(package.locate_file(file)) for file in package.files or []}
    sizes[f"{package.name} {package.version}"] = sum(path.stat().st_size for path in paths if path.is_file())
print(json.dumps(sizes))
"""


def docker(*arguments: str) -> str:
    """What a docker command prints; nothing where it fails."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True).stdout  # noqa: S607


def main() -> None:
    """Print a table for each image."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("images", nargs="*", default=list(REFERENCES.values()), metavar="IMAGE")
    parser.add_argument("--parts", type=int, default=12, help="how many packages to show")
    given = parser.parse_args()
    for image in given.images:
        inspected = docker("image", "inspect", image, "--format", "{{.Size}}")
        if not inspected:
            print(f"{image}: not on this machine")
            continue
        command = ["run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", _PARTS]
        parts: dict[str, int] = json.loads(docker(*command))
        packed = sum(parts.values()) / 1e6
        print(f"{image}: {int(inspected) / 1e6:.0f} MB; {len(parts)} packages, {packed:.0f} MB")
        for name, size in sorted(parts.items(), key=lambda part: -part[1])[: given.parts]:
            print(f"  {size / 1e6:6.1f}  {name}")


if __name__ == "__main__":
    main()
