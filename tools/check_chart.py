"""Lint, render and validate the Helm chart with each of its values files: `make chart`.

    python -m tools.check_chart

Nothing is installed: what only a cluster can tell (admission, scheduling, hooks that run) stays open.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

CHART = Path(__file__).resolve().parent.parent / "helm" / "gukbap"
VALUES = tuple(sorted(CHART.glob("values*.yaml")))
#: Kubernetes versions whose schemas the manifests must fit: the oldest that the chart takes, the newest
VERSIONS = ("1.25", "1.31", "1.37")
RELEASE, NAMESPACE = "trial", "team-a"


def program(name: str) -> str | None:
    """helm, kubectl or kubernetes-validate: beside this Python, or on PATH."""
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return shutil.which(name, path=place)


def needed(name: str) -> str:
    """As `program`; SystemExit where there is none."""
    found = program(name)
    if found is None:
        raise SystemExit(f"{name} is not there: python tools/install_helm.py, or put it on PATH")
    return found


def template(values: Path, *arguments: str) -> list[str]:
    """The command that renders the chart with one values file."""
    where = ["--namespace", NAMESPACE, "--values", str(values)]
    return [needed("helm"), "template", RELEASE, str(CHART), *where, *arguments]


def lint(values: Path) -> list[str]:
    """The command that lints it."""
    return [needed("helm"), "lint", "--strict", str(CHART), "--values", str(values)]


def validate(manifests: Path, version: str) -> list[str]:
    """The command that holds manifests against the schemas of one Kubernetes version."""
    return [needed("kubernetes-validate"), "--strict", "--kubernetes-version", version, str(manifests)]


def said(command: Sequence[str]) -> str:
    """A command's standard output.

    Raises:
        SystemExit: it failed; its messages are shown.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{Path(command[0]).name} {command[1]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    """Check all values files; the first failure ends it."""
    with tempfile.TemporaryDirectory() as folder:
        for values in VALUES:
            said(lint(values))
            manifests = Path(folder) / values.name
            manifests.write_text(said(template(values)), encoding="utf-8")
            for version in VERSIONS:
                passed = said(validate(manifests, version)).count(" passed ")
                print(f"{values.name}: {passed} objects fit Kubernetes {version}")


if __name__ == "__main__":
    main()
