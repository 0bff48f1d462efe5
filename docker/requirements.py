"""What an image installs, out of pyproject.toml: the one place that tells the images' contents apart.

python requirements.py IMAGE [FOLDER]      one requirement a line; FOLDER holds pyproject.toml
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

#: image → extras of the project that it has
EXTRAS = {
    "cpu": ("kfp", "tracking", "local"),
    "train": ("kfp", "tracking", "local", "train"),
    "vllm": ("kfp", "tracking"),
    "mlflow": ("server",),
}
#: Images that hold a server of others' and nothing of the project.
WITHOUT_PROJECT = {"mlflow"}


def requirements(image: str, folder: Path) -> list[str]:
    """The requirements of an image.

    Args:
        folder: with pyproject.toml.

    Raises:
        SystemExit: there is no such image.
    """
    if image not in EXTRAS:
        raise SystemExit(f"no image is called {image}; there are {', '.join(EXTRAS)}")
    with (folder / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    own = [] if image in WITHOUT_PROJECT else project["dependencies"]
    return [*own, *(need for extra in EXTRAS[image] for need in project["optional-dependencies"][extra])]


if __name__ == "__main__":
    print(*requirements(sys.argv[1], Path(*sys.argv[2:3])), sep="\n")
